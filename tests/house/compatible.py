"""Whether a JSON Schema only adds to an older one: readers of either must be content with what was written to the other."""

from collections.abc import Iterator
from typing import Any

SPOKEN_ONLY = {"description", "title", "default", "examples", "$schema", "x-heard-by"}
Schema = dict[str, Any]


def breaks(old: Schema, new: Schema, *, where: str = "") -> Iterator[str]:
    """What the new schema takes away, each with its place."""
    for name, before in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{where}{name} is gone"
        else:
            yield from _narrowed(before, new["properties"][name], f"{where}{name}")
    for name in set(new.get("required", [])) - set(old.get("required", [])):
        yield f"{where}{name} became required"
    for name, before in old.get("$defs", {}).items():
        if name not in new.get("$defs", {}):
            yield f"{where}{name} is gone"
        elif "enum" in before:
            yield from _narrowed(before, new["$defs"][name], f"{where}{name}")
        else:
            yield from breaks(before, new["$defs"][name], where=f"{where}{name}.")


def _narrowed(before: Any, now: Any, where: str) -> Iterator[str]:
    for key in (set(before) | set(now)) - SPOKEN_ONLY:
        if key == "enum":
            if gone := set(map(str, before.get(key, []))) - set(map(str, now.get(key, []))):
                yield f"{where} no longer takes {', '.join(sorted(gone))}"
        elif before.get(key) != now.get(key):
            yield f"{where}: {key} was {before.get(key)!r} and is {now.get(key)!r}"

"""The port's change language and its projections over plain dictionaries."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from shared.errors import BadInput
from shared.memory.query import moment
from shared.memory.values import DEEPEST, copied, in_64_bits, order, stored
from shared.storage.port import Change, Doc, ServerNow, Where

Fields = dict[str, "Fields | None"]
Make = Callable[[Doc, Sequence[str], Any], None]
Step = tuple[Make, list[str], Any]


def prepared(how: Change, now: datetime) -> list[Step]:
    """The change as its steps, in the order in which they are made; raises BadInput for a value that cannot be stored.

    Fields that are new come in the order of their names, as MongoDB adds them; beside ServerNow in the order in which they were named.
    """
    named = [(path.split("."), operator, value) for operator, fields in how.items() for path, value in fields.items()]
    if not any(isinstance(value, ServerNow) for _, _, value in named):
        named.sort(key=lambda step: step[0])
    return [(CHANGES[operator], path, stored(moment(value, now), room=DEEPEST - len(path))) for path, operator, value in named]


def changed(doc: Doc, steps: Iterable[Step]) -> Doc:
    """`doc` after the change, as a new document; raises BadInput and changes nothing where a field is of the wrong kind."""
    new: Doc = copied(doc)
    for make, path, value in steps:
        make(new, path, copied(value))
    return new


def fresh(where: Where) -> Doc:
    """The document that an upsert starts from: what the resolved filter says that it is equal to."""
    doc: Doc = {}
    for path, condition in where.items():
        if isinstance(condition, Mapping) and "$eq" in condition:
            _set(doc, path.split("."), condition["$eq"])
        elif not path.startswith("$") and not (isinstance(condition, Mapping) and any(key.startswith("$") for key in condition)):
            _set(doc, path.split("."), copied(condition))
    return doc


def project(doc: Doc, fields: Sequence[str]) -> Doc:
    """A copy of `doc`: all of it, or its `_id` and the fields that are named."""
    return dict(_projected(doc, _wanted(tuple(fields)))) if fields else dict(copied(doc))


@lru_cache(maxsize=1_024)
def _wanted(fields: tuple[str, ...]) -> Fields:
    wanted: Fields = {"_id": None}
    for path in fields:
        *parents, last = path.split(".")
        level = wanted
        for part in parents:
            below = level.setdefault(part, {})
            if below is None:
                raise BadInput(f"{path} lies inside a field that is named already")
            level = below
        level[last] = None
    return wanted


def _projected(value: Any, wanted: Fields) -> Any:
    if isinstance(value, list):
        return [_projected(item, wanted) for item in value if isinstance(item, (dict, list))]
    out = {}
    for key, item in value.items():
        if key in wanted:
            below = wanted[key]
            if below is None:
                out[key] = copied(item)
            elif isinstance(item, (dict, list)):
                out[key] = _projected(item, below)
    return out


def _parent(doc: Doc, path: Sequence[str]) -> Doc:
    for part in path[:-1]:
        below = doc.setdefault(part, {})
        if not isinstance(below, dict):
            raise BadInput(f"cannot change {'.'.join(path)}: {part} is not a document")
        doc = below
    return doc


def _set(doc: Doc, path: Sequence[str], value: Any) -> None:
    _parent(doc, path)[path[-1]] = value


def _unset(doc: Doc, path: Sequence[str], _: Any) -> None:
    for part in path[:-1]:
        below = doc.get(part)
        if not isinstance(below, dict):
            return
        doc = below
    doc.pop(path[-1], None)


def _inc(doc: Doc, path: Sequence[str], amount: Any) -> None:
    parent, last = _parent(doc, path), path[-1]
    before = parent.get(last, 0)
    if isinstance(before, bool) or not isinstance(before, (int, float)):
        raise BadInput(f"cannot add to {'.'.join(path)}: it is no number")
    total = before + amount
    parent[last] = total if isinstance(total, float) else in_64_bits(total)


def _push(doc: Doc, path: Sequence[str], value: Any) -> None:
    array = _parent(doc, path).setdefault(path[-1], [])
    if not isinstance(array, list):
        raise BadInput(f"cannot push to {'.'.join(path)}: it is no array")
    array.append(value)


def _max(doc: Doc, path: Sequence[str], value: Any) -> None:
    parent, last = _parent(doc, path), path[-1]
    if last not in parent or order(value) > order(parent[last]):
        parent[last] = value


CHANGES: dict[str, Make] = {
    "$set": _set,
    "$unset": _unset,
    "$inc": _inc,
    "$push": _push,
    "$max": _max,
    "$setOnInsert": lambda _doc, _path, _value: None,
}

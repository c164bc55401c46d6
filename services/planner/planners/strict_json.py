"""JSON that people wrote, refused where a lenient reader would lose or bend something, or where the store could not keep it."""

import json
import math
from typing import Any, NoReturn

LARGEST_INTEGER = 2**63 - 1


def strict_json(text: str) -> Any:
    """The value. Raises ValueError that says what is wrong; for a syntax error it is a JSONDecodeError, with line and column."""
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int)
        text.encode()
        if "\\u" in text:  # half a pair may be hidden in an escape
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("it holds half a surrogate pair, which is no character") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is given twice in one object")
        if "\0" in key:
            raise ValueError(f"the key {key!r} holds a NUL character")
        found[key] = value
    if "$ref" in found and "$id" in found:
        raise ValueError("an object holds both `$ref` and `$id`, which the store takes for a reference of its own; leave one of them out")
    return found


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _int(text: str) -> int:
    if len(text) > len(str(LARGEST_INTEGER)) + 1 or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError(f"the number {text[:40]} does not fit 64 bits")
    return int(text)


def json_path(location: tuple[int | str, ...]) -> str:
    """`tasks[3].key`, from pydantic's location."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")

"""The checks that keys set, in the shape of the shared catalogue."""

import re
from typing import Any

from services.planner.planners.outline.values import inside, json_object
from shared.catalogue.checks import parse_check
from shared.errors import BadInput

MINIMUM = re.compile(r"(?<=\s)\[?min\s+([0-9]{1,15})(?:\s*bytes?)?\]?\Z")


def command(value: str) -> dict[str, Any]:
    """`COMMAND`, which must exit 0."""
    return _checked({"kind": "command", "run": value})


def file(value: str) -> dict[str, Any]:
    """`PATH [min N bytes]`."""
    match = MINIMUM.search(value)
    if match and (path := value[: match.start()].rstrip()):
        return _checked({"kind": "file", "path": inside(path), "minBytes": int(match[1])})
    if re.search(r"\smin\s", value):
        raise ValueError(f"`{value}` is not understood; write `PATH`, or `PATH min 100 bytes`")
    return _checked({"kind": "file", "path": inside(value)})


def contains(value: str) -> dict[str, Any]:
    """`PATH: text` or `summary: text`."""
    where, text = _split(value, "PATH: text` or `summary: text")
    return _checked({"kind": "contains", "text": text} | ({} if where == "summary" else {"path": inside(where)}))


def schema(value: str) -> dict[str, Any]:
    """`PATH: {JSON schema}` or `data: {JSON schema}`."""
    where, text = _split(value, 'PATH: {"type": "object"}` or `data: {"type": "object"}')
    return _checked({"kind": "schema", "schema": json_object(text)} | ({} if where == "data" else {"path": inside(where)}))


def model(value: str) -> dict[str, Any]:
    """`CRITERIA`, by which a language model judges."""
    return _checked({"kind": "model", "criteria": value})


def _split(value: str, form: str) -> tuple[str, str]:
    where, colon, text = value.partition(": ")
    if not colon or not where.strip() or not text.strip():
        raise ValueError(f"`{value}` is not understood; write `{form}`")
    return where.strip(), text.strip()


def _checked(check: dict[str, Any]) -> dict[str, Any]:
    try:
        parse_check(check)
    except BadInput as error:
        raise ValueError(f"{error}; mend the value") from error
    return check

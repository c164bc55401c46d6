"""The check `schema`: a JSON Schema (draft 2020-12) that a file, or the data of the result, must satisfy."""

import asyncio
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from services.checker.checks.base import MOST_BYTES, Check, Subject, Tools, apart, judged, there_are
from services.checker.domain import is_quick
from shared.catalogue.checks import CheckParams, SchemaCheck
from shared.contracts.checker import Evidence
from shared.errors import BadInput
from shared.remembering import remembering

SHOWN = 5
MESSAGE = 300


class Schema(Check):
    """Nothing is fetched for a `$ref`, and what may take long is checked in a process of its own: a schema cannot hold up the checker."""

    kind = "schema"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        """Passed when there is no error; the first few errors are the detail. `format` is not asserted."""
        check = SchemaCheck.model_validate(params)
        return await judged(f"schema: {check.path or 'data'}", self._look(check, subject))

    async def _look(self, check: SchemaCheck, subject: Subject) -> tuple[bool, str]:
        path = subject.result.data_file if check.path is None else check.path
        value: Any = subject.result.data if path is None else await asyncio.to_thread(_load, await subject.files(), path)
        look = partial(errors_in, value, check.schema_)
        at_once = path is None and is_quick(check.schema_, value)
        errors = look() if at_once else await apart(self._tools.pool, look, what="the schema")
        return not errors, "\n".join(errors) or "valid"


def errors_in(value: Any, schema: dict[str, Any]) -> list[str]:
    """The first errors, each with its place as a JSON path."""
    try:
        validator = _validator(schema)
        return [f"{_path(error.instance_path)}: {error.message[:MESSAGE]}" for error in islice(validator.iter_errors(value), SHOWN)]
    except jsonschema_rs.ValidationError as error:
        return [f"the schema itself is wrong at {_path(error.instance_path)}: {error.message[:MESSAGE]}"]
    except (jsonschema_rs.ReferencingError, ValueError, RecursionError) as error:
        return [f"the schema cannot be used: {type(error).__name__}: {str(error)[:MESSAGE]}"]


@remembering
def _validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, pattern_options=jsonschema_rs.RegexOptions(), retriever=_refuse)


def _refuse(uri: str) -> Any:
    raise ValueError(f"it refers to {uri!r}, which is not in it; nothing is fetched, so put it under $defs")


def _path(parts: list[str | int]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def _load(directory: Path, name: str) -> Any:
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()) or not path.is_file():
        raise BadInput(f"there is no file {name}; {there_are(directory, name)}")
    if path.stat().st_size > MOST_BYTES:
        raise BadInput(f"{name} is larger than the {MOST_BYTES} bytes that are validated")
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{name} is not JSON: {error}") from error

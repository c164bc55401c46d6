"""The check `schema`: a JSON Schema (draft 2020-12) that a file, or the data of the result, must satisfy."""

import asyncio
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from services.checker.checks.base import MOST_BYTES, PATIENCE, Check, Subject, Tools, judged, there_are
from shared.catalogue.checks import CheckParams, SchemaCheck
from shared.contracts.checker import Evidence
from shared.errors import BadInput

SHOWN = 5
MESSAGE = 300


class Schema(Check):
    """Validation runs in a process of its own: expressions in a schema may never come back. Nothing is fetched for a `$ref`."""

    kind = "schema"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        """Passed when there is no error; the first few errors are the detail. `format` is not asserted."""
        check = SchemaCheck.model_validate(params)
        return await judged(f"schema: {check.path or 'data'}", self._look(check, subject))

    async def _look(self, check: SchemaCheck, subject: Subject) -> tuple[bool, str]:
        value = subject.result.data if check.path is None else await asyncio.to_thread(_load, await subject.files(), check.path)
        try:
            errors = await self._tools.pool.call(errors_in, value, check.schema_, seconds=PATIENCE)
        except (TimeoutError, BrokenProcessPool) as error:
            raise BadInput(f"the schema did not come back within {PATIENCE:g} s: simplify the expressions in it") from error
        return not errors, "\n".join(errors) or "valid"


def errors_in(value: Any, schema: dict[str, Any]) -> list[str]:
    """The first errors, each with its place as a JSON path."""
    try:
        Draft202012Validator.check_schema(schema)
        found = Draft202012Validator(schema, registry=Registry()).iter_errors(value)
        return [f"{error.json_path}: {error.message[:MESSAGE]}" for error in islice(found, SHOWN)]
    except SchemaError as error:
        return [f"the schema itself is wrong at {error.json_path}: {error.message[:MESSAGE]}"]
    except Unresolvable as error:
        return [f"the schema refers to {error.ref!r}, which is not in it; nothing is fetched, so put it under $defs"]
    except Exception as error:  # noqa: BLE001 (a schema is a foreign program: endless references, expressions that do not compile)
        return [f"the schema cannot be used: {type(error).__name__}: {str(error)[:MESSAGE]}"]


def _load(directory: Path, name: str) -> Any:
    path = (directory / name).resolve()
    if not path.is_relative_to(directory.resolve()) or not path.is_file():
        raise BadInput(f"there is no file {name}; {there_are(directory)}")
    if path.stat().st_size > MOST_BYTES:
        raise BadInput(f"{name} is larger than the {MOST_BYTES} bytes that are validated")
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{name} is not JSON: {error}") from error

"""The checks, by kind. One entry here, one file in `services/checker/checks/`."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from shared.errors import BadInput
from shared.plugins import INSTALL, brought
from shared.remembering import remembering

GROUP = "taskgrove.catalogue.checks"


class CheckParams(BaseModel):
    """What a check takes. Unknown keys are refused: a typing error must not make a check pass."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    kind: str


class CommandCheck(CheckParams):
    """A command that must exit 0, run where the files that the task left are laid out."""

    run: str = Field(min_length=1, max_length=65_536)
    timeout: float = Field(default=120, gt=0, le=3_600)


class FileCheck(CheckParams):
    """A file that must exist; `path` may be a glob."""

    path: str = Field(min_length=1, max_length=1_000)
    min_bytes: int = Field(default=1, ge=0)


class ContainsCheck(CheckParams):
    """A text or regular expression that must be found in a file, or, without `path`, in the result's summary."""

    path: str | None = None
    text: str | None = Field(default=None, min_length=1, max_length=10_000)
    pattern: str | None = Field(default=None, min_length=1, max_length=2_000)

    @model_validator(mode="after")
    def one_of(self) -> Self:
        if (self.text is None) == (self.pattern is None):
            raise ValueError("give either text or pattern")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"{self.pattern!r} is not a regular expression: {error}") from error
        return self


class SchemaCheck(CheckParams):
    """A JSON Schema that a JSON file, or, without `path`, the result's data must satisfy."""

    path: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")


class ModelCheck(CheckParams):
    """Criteria that a language model judges the files and data by. Asked last, and only when all other checks are passed."""

    criteria: str = Field(min_length=1, max_length=10_000)


CHECKS: dict[str, type[CheckParams]] = {
    "command": CommandCheck,
    "file": FileCheck,
    "contains": ContainsCheck,
    "schema": SchemaCheck,
    "model": ModelCheck,
}


@cache
def known_checks() -> Mapping[str, type[CheckParams]]:
    """These, and those that installed packages describe. Raises BadInput for a description that cannot be used."""
    return {**CHECKS, **brought(GROUP, CHECKS, fits=lambda params: isinstance(params, type) and issubclass(params, CheckParams))}


@remembering
def _parsed(check: dict[str, Any]) -> CheckParams:
    return known_checks()[check["kind"]].model_validate(check)


def parse_check(check: dict[str, Any]) -> CheckParams:
    """The check as its parameters. Raises BadInput that names the kinds, or the field that is wrong."""
    kind = check.get("kind")
    if not isinstance(kind, str) or kind not in known_checks():
        raise BadInput(f"{kind!r} is not a check; there are: {', '.join(known_checks())} {INSTALL}")
    try:
        return _parsed(check)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"check {kind!r}: {where}: {first['msg']}") from error

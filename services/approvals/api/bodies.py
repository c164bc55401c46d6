"""What clients send, as in `shared/contracts/views.py` but strict: a field that is not known is refused, because it is a typing error."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.artifacts import DBREF, INLINE
from shared.contracts.executor import Artifact, Result
from shared.contracts.plan import NotesFile, RunOptions
from shared.contracts.views import DecisionRequest, SubmitRequest, TaskUpdate

DEEPEST = 64
LARGEST = 2**63
HANDED_IN = "summary, data or both; files cannot be handed in"


def check_storable(value: Any, depth: int = 0) -> Any:
    """The value itself. Raises ValueError for what the store or a message does not give back.

    That is: 64-bit integers, finite numbers, no NUL in keys, 64 levels, no DBRef.
    """
    if depth > DEEPEST:
        raise ValueError(f"is nested more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        _check_keys(value)
        for item in value.values():
            check_storable(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_storable(item, depth + 1)
    elif isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise ValueError(f"{value} does not fit into 64 bits; send it as text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number in JSON; send it as text, or null")
    return value


def _check_keys(value: dict[str, Any]) -> None:
    if odd := [key for key in value if "\0" in key]:
        raise ValueError(f"the key {odd[0]!r} holds a NUL")
    if value.keys() >= DBREF:
        raise ValueError("an object cannot hold both $ref and $id, which the store takes for a reference; put it into a file")


def _inline(value: dict[str, Any] | None) -> dict[str, Any] | None:
    check_storable(value)
    if value is not None and len(str(value)) > INLINE:
        raise ValueError(f"is larger than {INLINE} bytes; put it into a file and name that")
    return value


Data = Annotated[dict[str, Any], AfterValidator(_inline)]


def _none(value: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
    # What a name and a hash stand for is not known to be there: they would be dropped unseen by the agent that hands the result on.
    if value:
        raise ValueError("files cannot be handed in here; give what matters of them as data, or say in the summary where they are")
    return value


class ResultBody(Result, extra="forbid"):
    """`Result`, strict."""

    artifacts: Annotated[tuple[Artifact, ...], AfterValidator(_none)] = ()
    data: Data = Field(default_factory=dict)


class NotesFileBody(NotesFile, extra="forbid"):
    """`NotesFile`, strict."""


class RunOptionsBody(RunOptions, extra="forbid"):
    """`RunOptions`, strict."""


class SubmitBody(SubmitRequest, extra="forbid"):
    """`SubmitRequest`, strict."""

    notes: tuple[NotesFileBody, ...] = Field(default=(), max_length=1_000)
    options: RunOptionsBody = RunOptionsBody()


class UpdateBody(TaskUpdate, extra="forbid"):
    """`TaskUpdate`, strict."""

    result: ResultBody | None = Field(default=None, description=HANDED_IN)


class DecisionBody(DecisionRequest, extra="forbid"):
    """`DecisionRequest`, strict."""

    decision: str = Field(max_length=200)
    result: ResultBody | None = Field(default=None, description=HANDED_IN)


class PrincipalBody(BaseModel):
    """`POST /principals`: who is let in."""

    model_config = ConfigDict(extra="forbid")

    name: str
    roles: list[str]
    groups: list[str] = Field(default_factory=list, max_length=100)

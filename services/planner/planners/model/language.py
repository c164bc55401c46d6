"""The plan language: what a model may say of a plan. Flat, and bounded everywhere, so that a small model cannot run on for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.catalogue.checks import CHECKS

MOST_TASKS = 30
MOST_SUBTASKS = 12
OWN_APPROVALS = ("before", "after")

Key = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9-]{0,39}$")]
Path = Annotated[str, StringConstraints(max_length=200)]
Name = Annotated[str, StringConstraints(max_length=40)]


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    if not line:  # a control character that pydantic does not strip
        raise ValueError("no word in it; say in a few words what it is about")
    return line


Title = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]


class Words(BaseModel):
    """Unknown fields are refused: what a model means by them would be lost without a word."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class SaidCheck(Words):
    """How a task is proved. `value` is the text, command, JSON Schema or criteria, by the kind."""

    kind: Name
    path: Path = ""
    value: str = Field(default="", max_length=1_000)


class SaidTask(Words):
    """One task. `notes` are marks of sections; `approval` is empty, before, after, or the mark of an approval that the notes ask for."""

    key: Key
    title: Title
    description: str = Field(max_length=1_000)
    after: tuple[Key, ...] = Field(default=(), max_length=20)
    agent: Name
    script: str = Field(default="", max_length=2_000)
    outputs: tuple[Path, ...] = Field(default=(), max_length=10)
    checks: tuple[SaidCheck, ...] = Field(min_length=1, max_length=5)
    notes: tuple[Name, ...] = Field(default=(), max_length=10)
    approval: Name = ""
    seconds: int = Field(default=0, ge=0, le=86_400)


class SaidPlan(Words):
    """The whole answer."""

    title: Title
    tasks: tuple[SaidTask, ...] = Field(min_length=1, max_length=MOST_TASKS)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names that one answer may use, and how many tasks it may have."""

    agents: Sequence[str]
    sections: Sequence[str]
    approvals: Sequence[str]
    most_tasks: int

    @property
    def checks(self) -> tuple[str, ...]:
        """The kinds of checks that there are."""
        return tuple(kind for kind in CHECK_VALUES if kind in CHECKS)

    @property
    def approval_words(self) -> tuple[str, ...]:
        """What may stand as a task's approval."""
        return ("", *OWN_APPROVALS, *self.approvals)


CHECK_VALUES = {
    "file": "",
    "contains": "text",
    "command": "run",
    "schema": "schema",
    "model": "criteria",
}
"""What `value` is, by the kind of check."""


def answer_schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """The JSON Schema that binds the answer: no references, every field required, every string and array bounded."""
    whole = SaidPlan.model_json_schema()
    schema = _bound(whole, whole["$defs"])
    tasks = schema["properties"]["tasks"]
    tasks["maxItems"] = vocabulary.most_tasks
    task = tasks["items"]["properties"]
    task["agent"] = {"enum": list(vocabulary.agents)}
    task["approval"] = {"enum": list(vocabulary.approval_words)}
    task["checks"]["items"]["properties"]["kind"] = {"enum": list(vocabulary.checks)}
    if vocabulary.sections:
        task["notes"]["items"] = {"enum": list(vocabulary.sections)}
    else:
        del task["notes"]
        tasks["items"]["required"].remove("notes")
    return schema


def _bound(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if reference := node.get("$ref"):
        node = definitions[reference.rpartition("/")[2]]
    kept = {name: value for name, value in node.items() if name not in ("title", "default", "description", "$defs")}
    if "items" in kept:
        kept["items"] = _bound(kept["items"], definitions)
    if "properties" in kept:
        kept["properties"] = {name: _bound(one, definitions) for name, one in kept["properties"].items()}
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept

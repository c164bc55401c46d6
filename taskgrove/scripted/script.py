"""The script of a scripted model: rules, the first that fits a question answers it. One JSON file."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import BadInput


def _pattern(text: str | None) -> str | None:
    """The regular expression itself. Raises ValueError for one that is none."""
    try:
        re.compile(text or "")
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


class Strict(BaseModel):
    """A misspelt field would silently change what a test shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(Strict):
    """The model uses a tool."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Used(Strict):
    """What the answer says that it used."""

    prompt_tokens: int = Field(default=100, ge=0)
    completion_tokens: int = Field(default=20, ge=0)


class Said(Strict):
    """One answer. Tool calls become the step as JSON where the question asks for that, so that one script serves both ways."""

    text: str | None = None
    json_: Any = Field(default=None, alias="json", description="the answer as JSON, written into the text")
    calls: tuple[Call, ...] = ()
    finish: str | None = Field(default=None, description="finish_reason; empty: stop, or tool_calls")
    cut: int | None = Field(default=None, ge=0, description="the text ends after so many characters, with finish_reason length")
    status: int = Field(default=200, ge=200, le=599)
    error: str = Field(default="the script says so", description="message of a status that is no success")
    code: str | None = None
    param: str | None = None
    retry_after: float | None = Field(default=None, ge=0)
    delay: float = Field(default=0.0, ge=0, description="seconds before the answer")
    body: str | None = Field(default=None, description="the whole body, whatever it is")
    usage: Used | None = Used()


class When(Strict):
    """What a question must be like; what is not given does not matter."""

    schema_: str | None = Field(default=None, alias="schema", description="name of the JSON Schema that binds the answer")
    tools: bool | None = Field(default=None, description="whether the model may use tools, in either way")
    tool: str | None = Field(default=None, description="a tool that it may use")
    system: str | None = Field(default=None, description="text in the system messages")
    contains: str | None = Field(default=None, description="text anywhere in the conversation")
    last: str | None = Field(default=None, description="text in the last message")
    matches: Annotated[str | None, AfterValidator(_pattern)] = Field(default=None, description="regular expression found in it")
    turn: int | None = Field(default=None, ge=1, description="1 for the first question of a conversation, and so on")


class Rule(Strict):
    """Answers for the questions that fit `when`. The n-th gets the n-th of `answers`, or the one of `turns` for its turn; else the last."""

    when: When = When()
    answers: tuple[Said, ...] = ()
    turns: tuple[Said, ...] = ()
    name: str = ""

    def model_post_init(self, _context: object) -> None:
        """Raises ValueError for a rule without an answer, or with two kinds of them."""
        if bool(self.answers) == bool(self.turns):
            raise ValueError("give either answers or turns")


class Script(Strict):
    """All of it. With `key`, any other key is refused with 401; `model` is the only one that is served."""

    model: str = "scripted"
    key: str | None = None
    rules: tuple[Rule, ...]


def read_script(path: Path) -> Script:
    """The script in a file. Raises BadInput that names what is wrong in it."""
    try:
        return Script.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: this script cannot be read: {error.strerror}; name another file") from error
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:10]]
        raise BadInput("\n".join(lines)) from error

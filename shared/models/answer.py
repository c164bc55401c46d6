"""What an endpoint answered, looked at with suspicion: a Reply, or why it cannot be used and what it cost all the same."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, Field, ValidationError

from shared.errors import ModelFailed
from shared.models import steps
from shared.models.port import Question, Reply, Spent, ToolCall
from shared.models.settings import ToolMode

MOST_TEXT = 1_048_576
MOST_CALLS = 64
SHOWN = 200
DEEPEST = 64  # what is nested deeper could be neither kept nor sent back to the endpoint
CUT_OFF = "length"
WITHHELD = "content_filter"


class Unusable(ModelFailed):
    """The model answered, and was paid, but what it said cannot be used."""

    def __init__(self, message: str, *, said: str, spent: Spent, code: str = "model_nonsense") -> None:
        self.said = said
        self.spent = spent
        super().__init__(message, code=code, permanent=code == "model_refused")


class Function(BaseModel):
    """A tool, and its arguments as JSON text; some servers send the object itself."""

    name: str
    arguments: str | dict[str, Any] = ""


class Called(BaseModel):
    """One tool call."""

    id: str | None = None
    function: Function


class Message(BaseModel):
    """What the model said."""

    content: str | None = Field(default=None, max_length=MOST_TEXT)
    refusal: str | None = None
    tool_calls: list[Called] | None = Field(default=None, max_length=MOST_CALLS)


class Choice(BaseModel):
    """One of the answers; only one was asked for."""

    message: Message
    finish_reason: str | None = None


class CachedTokens(BaseModel):
    """How much of the prompt was cheaper."""

    cached_tokens: int | None = None


class Tokens(BaseModel):
    """What it used."""

    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    prompt_tokens_details: CachedTokens | None = None


class Completion(BaseModel):
    """The body of an answer of /chat/completions, as far as it matters here."""

    model: str | None = None
    choices: list[Choice] = Field(min_length=1)
    usage: Tokens | None = None

    @property
    def spent(self) -> Spent:
        """The tokens; None where the endpoint does not say."""
        return Spent(self.usage.prompt_tokens, self.usage.completion_tokens) if self.usage else Spent()

    @property
    def cached_tokens(self) -> int:
        """How many tokens of the prompt were cached."""
        details = self.usage.prompt_tokens_details if self.usage else None
        return (details.cached_tokens or 0) if details else 0


def completion_in(body: bytes, *, url: str) -> Completion:
    """The completion. Raises Unusable when the body is none."""
    try:
        return Completion.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        message = f"{url} did not answer with a chat completion ({where}: {first['msg']}); is TASKGROVE_MODEL_BASE_URL right?"
        raise Unusable(message, said=body[:SHOWN].decode(errors="replace"), spent=Spent()) from error


def reply_in(completion: Completion, question: Question, *, spent: Spent, mode: ToolMode) -> Reply:
    """The reply to this question. Raises Unusable for one that was cut off, withheld, or is not in the form that was asked for."""
    choice = completion.choices[0]
    text, finish = choice.message.content or "", choice.finish_reason or "stop"
    _refuse_withheld(choice, spent)
    said = "\n".join([text, *(str(called.function.arguments) for called in choice.message.tool_calls or ())])
    bound = question.schema is not None or bool(question.tools)
    if finish == CUT_OFF and bound:
        used = "" if spent.completion_tokens is None else f" after {spent.completion_tokens} tokens"
        hint = "ask for less, or raise TASKGROVE_MODEL_MAX_TOKENS"
        raise Unusable(f"the model's answer was cut off{used}, before it was complete; {hint}", said=said, spent=spent)
    try:
        if question.schema is not None:
            text = orjson.dumps(object_in(text)).decode()
        calls = _calls(choice.message, question, mode)
    except ValueError as error:
        raise Unusable(f"the model's answer cannot be used: {error}", said=said, spent=spent) from error
    return Reply(text="" if calls and mode == "json" else text, calls=calls, finish=finish, model=completion.model or "", spent=spent)


def _refuse_withheld(choice: Choice, spent: Spent) -> None:
    if said := choice.message.refusal:
        raise Unusable(f"the model refused: {said[:SHOWN]}", said=said, spent=spent, code="model_refused")
    if choice.finish_reason == WITHHELD:
        message = "the endpoint's content filter withheld the answer; word the task otherwise"
        raise Unusable(message, said="", spent=spent, code="model_refused")


def _calls(message: Message, question: Question, mode: ToolMode) -> tuple[ToolCall, ...]:
    if not question.tools:
        return ()
    if mode == "json":
        return (steps.call_in(object_in(message.content or ""), question),)
    known = {tool.name for tool in question.tools}
    wanted = message.tool_calls or []
    calls = []
    for call_id, called in zip(_ids(wanted, question), wanted, strict=True):
        if called.function.name not in known:
            raise ValueError(f"there is no tool {called.function.name[:SHOWN]!r}; there are {', '.join(sorted(known))}")
        given = called.function.arguments
        arguments = object_in(json.dumps(given) if isinstance(given, dict) else given or "{}")
        calls.append(ToolCall(call_id, called.function.name, arguments))
    return tuple(calls)


def _ids(wanted: Sequence[Called], question: Question) -> list[str]:
    """Their ids; ours for all of them where some have none, or one twice: endpoints refuse a conversation with such calls in it."""
    given = [called.id or "" for called in wanted]
    return given if all(given) and len({*given}) == len(given) else [steps.call_id(question, number) for number in range(len(given))]


def object_in(text: str) -> dict[str, Any]:
    """The JSON object that a text is, perhaps inside a code fence. Raises ValueError that says what it is instead."""
    bare = text.strip()
    if bare.startswith("```") and bare.endswith("```"):
        bare = bare.strip("`").removeprefix("json").strip()
    try:
        found = orjson.loads(bare)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error}): {bare[:SHOWN]!r}") from error
    if not isinstance(found, dict):
        raise ValueError(f"it is no JSON object: {bare[:SHOWN]!r}")  # noqa: TRY004 (of the text, not of an argument)
    _refuse_deep(found)
    return found


def _refuse_deep(value: Any, left: int = DEEPEST) -> None:
    if not left:
        raise ValueError(f"its JSON is nested deeper than {DEEPEST} levels")
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_deep(one, left - 1)

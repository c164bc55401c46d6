"""From a question and a script to what goes over HTTP."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from taskgrove.scripted.script import Said, Script, When

STEP = "step"
BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, SUCCESS = 400, 401, 404, 300


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to /chat/completions, as rules look at it."""

    body: Mapping[str, Any]

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        return [message for message in self.body.get("messages") or [] if isinstance(message, Mapping)]

    @property
    def turn(self) -> int:
        """1 for the first question of a conversation."""
        return 1 + len([message for message in self.messages if message.get("role") == "assistant"])

    @property
    def schema(self) -> str | None:
        """The name of the JSON Schema that binds the answer."""
        form = (self.body.get("response_format") or {}).get("json_schema") or {}
        return str(form["name"]) if "name" in form else None

    @property
    def tools(self) -> list[str]:
        """The tools that may be used, in either way."""
        named = [str(tool["function"]["name"]) for tool in self.body.get("tools") or []]
        if self.schema != STEP:
            return named
        schema = self.body["response_format"]["json_schema"]["schema"]
        return [str(one["properties"]["tool"]["const"]) for one in schema.get("anyOf", [schema])]

    def text(self, *roles: str) -> str:
        """What was said, by these roles or by all."""
        return "\n".join(_text(message) for message in self.messages if not roles or message.get("role") in roles)

    def fits(self, when: When) -> bool:
        """Whether the question is like this."""
        said = self.text()
        return all(
            (
                when.schema_ is None or when.schema_ == self.schema,
                when.tools is None or when.tools == bool(self.tools),
                when.tool is None or when.tool in self.tools,
                when.system is None or when.system in self.text("system", "developer"),
                when.contains is None or when.contains in said,
                when.last is None or (bool(self.messages) and when.last in _text(self.messages[-1])),
                when.matches is None or re.search(when.matches, said, re.DOTALL) is not None,
                when.turn is None or when.turn == self.turn,
            )
        )


def _text(message: Mapping[str, Any]) -> str:
    calls = [f"{call['function']['name']} {call['function']['arguments']}" for call in message.get("tool_calls") or ()]
    return "\n".join([str(message.get("content") or ""), *calls])


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    delay: float = 0.0


class Player:
    """Plays a script: finds the rule, counts how often it was used, and writes the answer."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.used: Counter[int] = Counter()

    def answer(self, body: bytes, *, key: str) -> Answer:
        """The answer to a request to /chat/completions."""
        if self.script.key is not None and key != self.script.key:
            return failure(UNAUTHORIZED, "Incorrect API key provided", code="invalid_api_key")
        try:
            asked = Asked(orjson.loads(body))
            model, found = asked.body["model"], self._said(asked)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            return failure(BAD_REQUEST, f"this is no request for a chat completion: {type(error).__name__}: {error}")
        if model != self.script.model:
            return failure(NOT_FOUND, f"the model {model!r} does not exist; there is {self.script.model!r}", code="model_not_found")
        if found is None:
            return failure(BAD_REQUEST, f"no rule of the script fits this question, which ends: {asked.text()[-300:]!r}", code="no_rule")
        return written(found, asked, number=self.used.total())

    def _said(self, asked: Asked) -> Said | None:
        for number, rule in enumerate(self.script.rules):
            if asked.fits(rule.when):
                self.used[number] += 1
                if rule.turns:
                    return rule.turns[min(asked.turn, len(rule.turns)) - 1]
                return rule.answers[min(self.used[number], len(rule.answers)) - 1]
        return None


def written(said: Said, asked: Asked, *, number: int) -> Answer:
    """A line of the script as a response."""
    headers = {} if said.retry_after is None else {"retry-after": f"{said.retry_after:g}"}
    if said.body is not None:
        return Answer(said.status, said.body.encode(), headers, said.delay)
    if said.status >= SUCCESS:
        refused = failure(said.status, said.error, code=said.code, param=said.param)
        return Answer(said.status, refused.body, headers, said.delay)
    return Answer(said.status, orjson.dumps(_completion(said, asked, number)), headers, said.delay)


def _completion(said: Said, asked: Asked, number: int) -> dict[str, Any]:
    message, finish = _message(said, asked, number)
    usage = None if said.usage is None else {**said.usage.model_dump(), "total_tokens": sum(said.usage.model_dump().values())}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": asked.body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": said.finish or finish, "logprobs": None}],
        **({} if usage is None else {"usage": usage}),
    }


def _message(said: Said, asked: Asked, number: int) -> tuple[dict[str, Any], str]:
    text = said.text if said.json_ is None else orjson.dumps(said.json_).decode()
    if said.calls and asked.schema == STEP:
        text = orjson.dumps({"tool": said.calls[0].name, "arguments": said.calls[0].arguments}).decode()
    if said.cut is not None:
        return {"role": "assistant", "content": (text or "")[: said.cut]}, "length"
    if not said.calls or asked.schema == STEP:
        return {"role": "assistant", "content": text or ""}, "stop"
    calls = [
        {
            "id": f"call_{number}_{position}",
            "type": "function",
            "function": {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()},
        }
        for position, call in enumerate(said.calls)
    ]
    return {"role": "assistant", "content": text, "tool_calls": calls}, "tool_calls"


def failure(status: int, message: str, *, code: str | None = None, param: str | None = None) -> Answer:
    """An error as such endpoints write it."""
    error = {"message": message, "type": "scripted_error", "param": param, "code": code}
    return Answer(status, orjson.dumps({"error": error}), {})

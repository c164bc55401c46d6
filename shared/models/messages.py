"""A question as the endpoint wants it: the body of a request to /chat/completions."""

from typing import Any

import orjson

from shared.models import steps
from shared.models.port import Question, Turn
from shared.models.settings import ModelSettings


def body_of(question: Question, settings: ModelSettings) -> dict[str, Any]:
    """The body; tools as the endpoint understands them."""
    as_json = bool(question.tools) and settings.tools == "json"
    body: dict[str, Any] = {
        "model": settings.name,
        "messages": _as_steps(question) if as_json else [_message(turn) for turn in question.turns],
        "max_tokens": min(question.max_tokens, settings.max_tokens),
        "temperature": question.temperature,
    }
    if as_json:
        body["response_format"] = _bound_to(steps.SCHEMA_NAME, steps.step_schema(question.tools))
    elif question.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}}
            for tool in question.tools
        ]
    elif question.schema is not None:
        body["response_format"] = _bound_to(question.schema_name, dict(question.schema))
    return body


def _bound_to(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}


def _message(turn: Turn) -> dict[str, Any]:
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": turn.answers or "", "content": turn.text}
    if not turn.calls:
        return {"role": turn.role, "content": turn.text}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": orjson.dumps(dict(call.arguments)).decode()}}
        for call in turn.calls
    ]
    return {"role": turn.role, "content": turn.text or None, "tool_calls": calls}


def _as_steps(question: Question) -> list[dict[str, Any]]:
    """The conversation for a model that knows no tools: its calls are its own JSON, and their results are told to it."""
    rules, names = steps.step_rules(question.tools), {call.id: call.name for turn in question.turns for call in turn.calls}
    first = question.turns[0] if question.turns and question.turns[0].role == "system" else Turn("system", "")
    messages = [{"role": "system", "content": (first.text + rules).lstrip()}]
    for turn in question.turns[1:] if first in question.turns[:1] else question.turns:
        if turn.role == "tool":
            said = {"role": "user", "content": f"Result of {names.get(turn.answers or '', 'the tool')}:\n{turn.text}"}
        elif turn.calls:
            said = {"role": "assistant", "content": "\n".join(steps.step_text(call) for call in turn.calls)}
        else:
            said = {"role": turn.role, "content": turn.text}
        messages.append(said)
    return messages

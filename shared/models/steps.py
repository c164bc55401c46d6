"""Tools for models that cannot call them: each answer is one step as JSON, `{"tool": …, "arguments": {…}}`, bound by a schema."""

from collections.abc import Mapping
from typing import Any

import orjson

from shared.models.port import Question, Tool, ToolCall

SCHEMA_NAME = "step"
MOST_CHARACTERS = 2_000
MOST_ITEMS = 50
DEEPEST = 12

RULES = """

You work in steps. Every answer is exactly one JSON object and nothing else: which tool to use now, and its arguments:
{"tool": "<name>", "arguments": {…}}
The tools:
"""


def step_schema(tools: tuple[Tool, ...]) -> dict[str, Any]:
    """The JSON Schema of one step. Strings and arrays that their tool leaves open are bounded: small models would not end them."""
    return {"anyOf": [_step(tool) for tool in tools]} if len(tools) > 1 else _step(tools[0])


def step_rules(tools: tuple[Tool, ...]) -> str:
    """The same for the prompt: many servers bind the answer to the schema without showing it to the model."""
    return RULES + "\n".join(
        f"- {tool.name}: {tool.description}\n  {orjson.dumps({'tool': tool.name, 'arguments': _shape(tool.parameters)}).decode()}"
        for tool in tools
    )


def step_text(call: ToolCall) -> str:
    """A call as the model would have written it."""
    return orjson.dumps({"tool": call.name, "arguments": dict(call.arguments)}).decode()


def call_in(step: Mapping[str, Any], question: Question) -> ToolCall:
    """The call in an answer. Raises ValueError."""
    name, arguments = step.get("tool"), step.get("arguments", {})
    known = [tool.name for tool in question.tools]
    if name not in known:
        raise ValueError(f'"tool" must be one of {", ".join(known)}, not {str(name)[:100]!r}')
    if not isinstance(arguments, dict):
        raise ValueError(f'"arguments" of {name} must be an object, not {str(arguments)[:100]!r}')  # noqa: TRY004 (as above)
    return ToolCall(call_id(question, 0), name, arguments)


def call_id(question: Question, number: int) -> str:
    """An id for a call that came without one; the same in the same conversation, so that the ledger knows the next question again."""
    return f"call_{len(question.turns)}_{number}"


def _step(tool: Tool) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"const": tool.name}, "arguments": bounded(tool.parameters)},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def bounded(schema: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """The schema, with an end to every string and array that has none."""
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if isinstance(value, Mapping) and depth < DEEPEST:
            result[key] = bounded(value, depth + 1)
        elif isinstance(value, list) and depth < DEEPEST:
            result[key] = [bounded(one, depth + 1) if isinstance(one, Mapping) else one for one in value]
        else:
            result[key] = value
    if schema.get("type") == "string" and not schema.keys() & {"maxLength", "enum", "const", "pattern"}:
        result["maxLength"] = MOST_CHARACTERS
    if schema.get("type") == "array":
        result.setdefault("maxItems", MOST_ITEMS)
    return result


def _shape(schema: Any) -> Any:
    """An example of what the schema describes, with a word for each value."""
    if not isinstance(schema, Mapping):
        return "…"
    if choices := schema.get("enum"):
        return " | ".join(str(choice) for choice in choices)
    match schema.get("type"):
        case "object":
            return {name: _shape(one) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [_shape(schema.get("items"))]
        case "string":
            return f"<{schema.get('description', 'text')}>"
        case kind:
            return f"<{kind}>"

"""Writes what can be derived: the reference of events, HTTP, settings, commands and metrics, and `.env.example`. A house test compares."""

# ruff: noqa: INP001 (a script, run by its path)

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.docs.commands import commands  # noqa: E402 (the line above makes it findable)
from scripts.docs.http import http, openapi  # noqa: E402
from scripts.docs.metrics import metrics  # noqa: E402
from scripts.docs.orders import orders  # noqa: E402
from scripts.docs.settings import configuration, env_example  # noqa: E402
from scripts.kubernetes_rules import TARGET as KUBERNETES_RULES  # noqa: E402
from scripts.kubernetes_rules import prometheus_rule  # noqa: E402
from shared.contracts.base import PREFIX, VERSION, Event  # noqa: E402
from shared.messaging.topology import DEAD_EXCHANGE, EXCHANGE, events, queue_of  # noqa: E402

REFERENCE = "docs/reference"
EVENTS = f"{REFERENCE}/events"


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of what an event carries, as it is on the wire."""
    schema = event.model_json_schema(by_alias=True, mode="serialization")
    speaking = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{PREFIX}{event.name}{VERSION}"}
    required = event.model_json_schema(by_alias=True).get("required", [])
    return {**speaking, **schema, "required": required, "x-said-by": event.said_by, "x-heard-by": sorted(event.heard_by)}


def asyncapi() -> dict[str, Any]:
    """Every channel and operation of the house, as AsyncAPI 3."""
    declared = sorted(events(), key=lambda event: event.name)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Taskgrove events",
            "version": "1",
            "description": "CloudEvents 1.0 in JSON, one event or a batch a message. Losing one costs time, never work.",
        },
        "defaultContentType": "application/cloudevents-batch+json",
        "channels": {event.name: _channel(event) for event in declared},
        "operations": dict(sorted(operation for event in declared for operation in _operations(event))),
        "components": {"messages": {event.name: _message(event) for event in declared}},
    }


@cache
def generated() -> dict[str, str]:
    """Every generated file by its path, with what it must hold."""
    files = {f"{EVENTS}/{event.name}.v1.json": _json(schema_of(event)) for event in events()}
    pages = {"http": http(), "configuration": configuration(), "cli": commands(), "metrics": metrics(), "orders": orders()}
    files |= {f"{REFERENCE}/{name}.md": text for name, text in pages.items()}
    files |= {f"{REFERENCE}/{name}.json": _json(document) for name, document in (("asyncapi", asyncapi()), ("openapi", openapi()))}
    return {**files, ".env.example": env_example(), KUBERNETES_RULES: prometheus_rule(ROOT)}


def main() -> None:
    """Write all of it, and take away the schemas of events that are gone."""
    files = generated()
    for path, text in files.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    for old in (ROOT / EVENTS).glob("*.json"):
        if str(old.relative_to(ROOT)) not in files:
            old.unlink()


def _channel(event: type[Event]) -> dict[str, Any]:
    return {
        "address": event.name,
        "description": (event.__doc__ or "").strip(),
        "messages": {event.name: {"$ref": f"#/components/messages/{event.name}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
        "x-queues": sorted(queue_of(service) for service in event.heard_by),
        "x-dead-letter-exchange": DEAD_EXCHANGE,
    }


def _operations(event: type[Event]) -> Iterator[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{event.name}"}
    yield f"{event.said_by} says {event.name}", {"action": "send", "channel": channel, "summary": (event.__doc__ or "").strip()}
    for service in event.heard_by:
        yield f"{service} hears {event.name}", {"action": "receive", "channel": channel}


def _message(event: type[Event]) -> dict[str, Any]:
    envelope = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "examples": [f"/services/{event.said_by}"]},
            "type": {"const": f"{PREFIX}{event.name}{VERSION}"},
            "subject": {"type": "string", "description": "runs/<run> or runs/<run>/tasks/<task>"},
            "time": {"type": "string", "format": "date-time"},
            "traceparent": {"type": "string"},
            "datacontenttype": {"const": "application/json"},
            "data": {"$ref": f"./events/{event.name}.v1.json"},
        },
    }
    return {
        "name": event.name,
        "title": (event.__doc__ or "").strip(),
        "payload": {"oneOf": [envelope, {"type": "array", "items": envelope}]},
    }


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()

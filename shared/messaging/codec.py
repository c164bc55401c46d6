"""Events to bytes and back: CloudEvents 1.0 batches, validated once, here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from shared.contracts.base import VERSION, Envelope, Event, type_names
from shared.ids import new_id
from shared.messaging.port import Message
from shared.telemetry.traces import traceparent

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
MOST_BYTES = 12 * 1024 * 1024
MOST_EVENTS = 1_000
"""Ten times what we say at once. Each of millions of tiny elements would be a finding, a task and a document of its own."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as it came: validated, with the id and the trace of its envelope, and as it stood in the message."""

    event: Event
    event_id: str
    traceparent: str | None
    raw: Any


@dataclass(frozen=True, slots=True)
class Poison:
    """One element of a message that is no event of ours, and why."""

    reason: str
    raw: Any


def encode(events: Sequence[Event], *, service: str, traces: Sequence[str | None] = ()) -> Message:
    """Events of one type as one message. The message's id is its first event's. `traces`: who says each, as traceparent; else its run."""
    first = events[0]
    parents = traces or [traceparent(event.run_id) for event in events]
    envelopes = [
        {
            "specversion": "1.0",
            "id": new_id(),
            "source": f"/services/{service}",
            "type": event.type,
            "subject": event.subject(),
            "datacontenttype": "application/json",
            **({"traceparent": parent} if parent else {}),
            "data": event.wire(),
        }
        for event, parent in zip(events, parents, strict=True)
    ]
    runs = {event.run_id for event in events}
    return Message(
        routing_key=first.name,
        body=orjson.dumps(envelopes),
        message_id=str(envelopes[0]["id"]),
        content_type=BATCH,
        correlation_id=first.run_id if len(runs) == 1 else None,
        headers={"traceparent": parents[0]} if parents[0] else {},
        durable=first.durable,
    )


def decode(body: bytes, hears: Mapping[str, type[Event]], headers: Mapping[str, object] | None = None) -> list[Heard | Poison]:
    """What a message holds. Never raises: what cannot be understood comes back as Poison with its reason.

    An event that names no trace takes the one of the message's header `traceparent`, where that is the trace of the event's run.
    """
    if len(body) > MOST_BYTES:
        return [Poison(f"{len(body)} bytes are more than the {MOST_BYTES} that one message may have", None)]
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return [Poison(f"not JSON: {error}", None)]
    elements = document if isinstance(document, list) else [document]
    if not elements:
        return [Poison("an empty batch", None)]
    if len(elements) > MOST_EVENTS:
        return [Poison(f"{len(elements)} events are more than the {MOST_EVENTS} that one message may hold; say them in several", None)]
    parent = (headers or {}).get("traceparent")
    return [_decode_one(element, hears, parent=parent if isinstance(parent, str) else "") for element in elements]


def _decode_one(element: Any, hears: Mapping[str, type[Event]], *, parent: str) -> Heard | Poison:
    try:
        envelope = Envelope.model_validate(element)
    except ValidationError as error:
        return Poison(f"not a CloudEvent 1.0: {explain(error)}", element)
    event_type = hears.get(envelope.type)
    if event_type is None:
        return Poison(f"the type {envelope.type!r} {_why_not(envelope.type)}; heard here: {', '.join(hears)}", element)
    try:
        event = event_type.model_validate(envelope.data)
    except ValidationError as error:
        return Poison(f"{envelope.type}: {explain(error)}", element)
    # One header stands for all events of a message, also for those of other runs: a run's trace has the run's id.
    of_the_run = parent if parent.startswith(f"00-{event.run_id}-") else None
    return Heard(event, envelope.id, envelope.traceparent or of_the_run, element)


def _why_not(unheard: str) -> str:
    if unheard in type_names:
        return "is not heard here"
    name, _, version = unheard.rpartition(".v")
    if version.isdecimal() and f"{name}{VERSION}" in type_names:
        return f"is of another version than this service, which knows {VERSION.removeprefix('.')}"
    return "is not known"


def explain(error: ValidationError) -> str:
    """pydantic's findings on one line, each with its field."""
    return "; ".join(f"{'.'.join(str(part) for part in e['loc']) or 'document'}: {e['msg']}" for e in error.errors()[:5])

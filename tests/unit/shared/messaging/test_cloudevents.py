"""What goes over the wire is CloudEvents 1.0, as the reference library reads and writes it."""

from datetime import UTC, datetime

import orjson
import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_structured, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.approvals import TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.plan import NotesFile, RunOptions
from shared.contracts.planner import PlanFailed
from shared.contracts.sequencer import TaskReady
from shared.ids import new_id
from shared.messaging.codec import BATCH, SINGLE, Heard, Poison, decode, encode
from shared.messaging.topology import events
from shared.telemetry.traces import traceparent

FORMAT = JSONFormat()
RUN = "0198f0c2a5b67c8d9e0f1a2b3c4d5e6f"
HEARS = {f"dev.taskgrove.{kind.name}.v1": kind for kind in events()}


def test_the_library_reads_what_we_write() -> None:
    message = encode([TaskReady(run_id=RUN, attempts=(f"{RUN}.{n}:1",)) for n in range(3)], service="sequencer")
    assert message.content_type == BATCH
    elements = orjson.loads(message.body)
    read = [FORMAT.read(CloudEvent, orjson.dumps(element)) for element in elements]
    assert [event.get_data() for event in read] == [{"runId": RUN, "attempts": [f"{RUN}.{n}:1"]} for n in range(3)]
    first = read[0]
    assert first.get_type() == "dev.taskgrove.task.ready.v1"
    assert first.get_source() == "/services/sequencer"
    assert first.get_subject() == f"runs/{RUN}"
    assert first.get_specversion() == "1.0"
    assert first.get_datacontenttype() == "application/json"
    assert str(first.get_extension("traceparent")).startswith(f"00-{RUN}-")
    assert message.message_id == first.get_id()
    assert len({event.get_id() for event in read}) == 3


def test_one_event_is_readable_in_structured_mode() -> None:
    message = encode([PlanFailed(run_id=RUN, task_id=f"{RUN}.1", plan_id=f"{RUN}.1@1", reason="expand", error="no")], service="planner")
    (element,) = orjson.loads(message.body)
    read = from_structured(RabbitMQMessage({}, SINGLE, orjson.dumps(element)), FORMAT, CloudEvent)
    assert read.get_subject() == f"runs/{RUN}/tasks/{RUN}.1"


def test_we_read_what_the_library_writes() -> None:
    attributes = {
        "type": "dev.taskgrove.task.submitted.v1",
        "source": "/elsewhere",
        "id": "42",
        "time": datetime.now(UTC),
        "tenant": "blue",
    }
    data = {"runId": RUN, "prompt": "Fetch", "notes": [{"name": "a.md", "text": "# A"}], "options": {"review": True}, "unknown": 1}
    written = to_structured(CloudEvent(attributes, data), FORMAT)
    (heard,) = decode(written.body, HEARS)
    assert isinstance(heard, Heard)
    notes = (NotesFile(name="a.md", text="# A"),)
    known = TaskSubmitted(run_id=RUN, prompt="Fetch", notes=notes, options=RunOptions(review=True))
    assert {name: getattr(heard.event, name) for name in TaskSubmitted.model_fields} == dict(known)
    assert heard.event.further == {"unknown": 1}, "what a newer version added is carried on"
    assert heard.event_id == "42"


def test_what_the_library_writes_in_base64_is_poison_and_says_why() -> None:
    attributes = {"type": "dev.taskgrove.task.submitted.v1", "source": "/elsewhere", "id": "42"}
    (poison,) = decode(FORMAT.write(CloudEvent(attributes, b"\0")), HEARS)
    assert isinstance(poison, Poison)
    assert "data: Field required" in poison.reason


@pytest.mark.parametrize("kind", events(), ids=lambda kind: kind.name)
def test_every_event_survives_the_wire(kind: type[Event]) -> None:
    event = kind.model_validate(_example(kind))
    message = encode([event], service=kind.said_by)
    (heard,) = decode(message.body, HEARS)
    assert isinstance(heard, Heard)
    assert heard.event == event
    assert message.routing_key == kind.name
    assert message.durable == kind.durable
    assert message.correlation_id == event.run_id


def _example(kind: type[Event]) -> dict[str, object]:
    """Something of the right kind in each field that must be there."""
    values: dict[str, object] = {}
    for name, schema in kind.model_json_schema()["properties"].items():
        if name not in kind.model_json_schema()["required"]:
            continue
        if "enum" in schema:
            values[name] = schema["enum"][0]
        elif "$ref" in schema:
            values[name] = kind.model_json_schema()["$defs"][schema["$ref"].rpartition("/")[2]]["enum"][0]
        else:
            values[name] = {"string": "text", "array": ["one", "two"], "integer": 1, "number": 1.5}[schema["type"]]
    return values


def test_events_of_several_runs_share_a_message_without_a_correlation() -> None:
    other = new_id()
    message = encode([TaskReady(run_id=RUN, attempts=()), TaskReady(run_id=other, attempts=())], service="sequencer")
    assert message.correlation_id is None
    assert [orjson.loads(message.body)[n]["traceparent"][3:35] for n in (0, 1)] == [RUN, other]


def test_the_header_names_the_trace_where_an_event_does_not() -> None:
    """What a program between us strips off events that it does not know is still in the header."""
    other = new_id()
    said, first = f"00-{RUN}-{'2' * 16}-01", f"00-{RUN}-{'1' * 16}-01"
    message = encode([TaskReady(run_id=run, attempts=()) for run in (RUN, RUN, other)], service="sequencer", traces=[first, said, None])
    assert message.headers == {"traceparent": first}
    elements = orjson.loads(message.body)
    del elements[0]["traceparent"]
    heard = decode(orjson.dumps(elements), HEARS, message.headers)
    assert [part.traceparent for part in heard if isinstance(part, Heard)] == [first, said, None], "of another run it is not the trace"
    for useless in ({}, {"traceparent": 7}, {"traceparent": b"00"}, {"traceparent": "00"}):
        (lone,) = decode(orjson.dumps(elements[0]), HEARS, useless)
        assert isinstance(lone, Heard)
        assert lone.traceparent is None


def test_a_run_whose_id_is_no_trace_has_none() -> None:
    assert traceparent("r") is None
    assert traceparent("x" * 31 + "-") is None
    assert traceparent("0" * 32) is None
    assert traceparent(RUN.upper()) is None
    assert traceparent("1" * 32) == f"00-{'1' * 32}-{'1' * 16}-01", "digits alone are hex digits"
    message = encode([TaskReady(run_id="imported", attempts=())], service="sequencer")
    assert message.headers == {}
    assert "traceparent" not in orjson.loads(message.body)[0]


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_it_raise(body: bytes) -> None:
    assert all(isinstance(part, Poison) for part in decode(body, HEARS))


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12)


@given(
    st.dictionaries(
        st.sampled_from(["specversion", "id", "source", "type", "data", "time", "subject"]),
        JSON | st.sampled_from(list(HEARS)) | st.just("1.0"),
    )
)
@settings(max_examples=300, deadline=None)
def test_no_json_makes_it_raise(element: dict[str, object]) -> None:
    for part in decode(orjson.dumps(element, option=orjson.OPT_NON_STR_KEYS), HEARS):
        assert isinstance(part, (Poison, Heard))


def test_very_many_elements_are_one_finding() -> None:
    """A message of millions of zeros has room in one message: each of them by itself would take the service's memory."""
    (poison,) = decode(b"[" + b"0," * 100_000 + b"0]", HEARS)
    assert isinstance(poison, Poison)
    assert (poison.reason.startswith("100001 events are more than the 1000"), poison.raw) == (True, None)

"""One trace a run, through all five services and the broker, as an OpenTelemetry receiver gets it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import aio_pika
import orjson
import pytest

from taskgrove.local.home import throw_away_home
from tests.e2e.grove import Grove, until
from tests.e2e.otlp_receiver import Got, Receiver, receiving

NOTES = """# Traced quillwort
## First quillwort
- check-contains: summary: one

```sh
echo one
```

## Both
- after: First quillwort

### Left
- check-file: left.txt

```sh
echo left > left.txt
```

### Right
- retries: 1
- agent: python
- call: second_try
- check-schema: data: {"required": ["attempt"]}
"""
TASKS = {"": "run", ".1": "task", ".2": "task", ".2.1": "task", ".2.2": "task"}
"""The span of each task, by what its id has after the run's."""
SERVICES = {"planner", "sequencer", "executor", "checker", "approvals"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """It listens."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
async def traced(receiver: Receiver) -> AsyncIterator[Grove]:
    """A Taskgrove whose spans go there."""
    grove = Grove(throw_away_home(), {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    await grove.up()
    yield grove
    await grove.down()


async def run(grove: Grove, receiver: Receiver) -> str:
    """Carry the notes out; the run's id, once its last span has come."""
    notes = grove.root / "traced.md"
    notes.write_text(NOTES)
    ended = await grove.cli("submit", "--notes", str(notes), "--json")
    assert ended.status == 0, ended.said
    run_id: str = ended.json["runId"]
    watched = await grove.cli("watch", run_id, "--json")
    assert watched.status == 0, watched.said

    async def arrived() -> bool:
        return any(span.name == "run" for span in receiver.of(run_id))

    await until(arrived, what="the span of the run")
    return run_id


def of_task(task_id: str, spans: list[Got]) -> Got:
    """The span of a task itself."""
    (found,) = [span for span in spans if span.name == "task" and span.attributes["taskgrove.task.id"] == task_id]
    return found


def above(span: Got, spans: list[Got]) -> list[str]:
    """The names of a span's ancestors, the nearest first."""
    by_id = {one.span: one for one in spans}
    names = []
    while span.parent:
        span = by_id[span.parent]
        names.append(span.name)
    return names


async def test_a_run_is_one_trace(traced: Grove, receiver: Receiver) -> None:
    run_id = await run(traced, receiver)
    await asyncio.sleep(1.5)  # the services send once a second
    spans = receiver.of(run_id)
    names = Counter(span.name for span in spans)
    assert {span.service for span in spans} == SERVICES
    assert [span.name for span in spans if not span.parent] == ["run"]
    own = [(str(span.attributes["taskgrove.task.id"]).removeprefix(run_id), span.name) for span in spans if span.name in ("run", "task")]
    assert sorted(own) == sorted(TASKS.items())
    assert not {span.parent for span in spans if span.parent} - {span.span for span in spans}, "spans whose parent is not there"
    assert all(span.started <= span.ended for span in spans)
    print(f"{len(spans)} spans: {dict(names)}")


async def test_nothing_that_was_sent_holds_what_people_wrote(traced: Grove, receiver: Receiver) -> None:
    """Whoever runs the collector need not be allowed to read the runs."""
    await run(traced, receiver)
    await asyncio.sleep(1.5)
    assert receiver.bodies
    assert [body for body in receiver.bodies if b"quillwort" in body] == []


async def test_the_way_of_a_task_can_be_followed(traced: Grove, receiver: Receiver) -> None:
    run_id = await run(traced, receiver)
    await asyncio.sleep(1.5)
    spans = receiver.of(run_id)
    left, right = (of_task(f"{run_id}.2.{position}", spans) for position in (1, 2))
    assert above(left, spans) == ["task", "run"]
    below = sorted((span.name, span.service) for span in spans if span.parent == left.span)
    assert below == [("attempt", "executor"), ("check", "checker")]
    attempts = sorted((span for span in spans if span.parent == right.span and span.name == "attempt"), key=lambda span: span.started)
    assert [span.attributes["taskgrove.outcome"] for span in attempts] == ["failed", "executed"]
    assert [(span.service, above(span, spans)) for span in spans if span.name == "plan"] == [("planner", ["run"])]
    heard = {(span.service, span.name) for span in spans if span.name.startswith("process ")}
    assert heard >= {
        ("planner", "process task.submitted"),
        ("sequencer", "process plan.proposed"),
        ("executor", "process task.ready"),
        ("checker", "process task.executed"),
        ("sequencer", "process task.verified"),
        ("approvals", "process task.completed"),
    }
    verified = [above(span, spans) for span in spans if span.name == "process task.verified"]
    assert any(names[0] in ("check", "process task.executed") for names in verified), "who says something is above who hears it"


async def test_messages_name_the_trace_in_their_header(traced: Grove, receiver: Receiver) -> None:
    """For programs that look at headers only, such as a tracing proxy."""
    async with await aio_pika.connect(traced.state.broker_url) as connection, connection.channel() as channel:
        tap = await channel.declare_queue(exclusive=True)
        await tap.bind("taskgrove.events", "#")
        run_id = await run(traced, receiver)
        seen: dict[str, list[str]] = {}
        while message := await tap.get(no_ack=True, fail=False):
            elements = orjson.loads(message.body)
            assert message.headers["traceparent"] == elements[0]["traceparent"], message.routing_key
            seen.setdefault(str(message.routing_key), []).append(str(message.headers["traceparent"]))
    assert seen.keys() >= {"task.submitted", "plan.proposed", "task.ready", "task.executed", "task.verified", "task.completed"}
    assert {one[:36] for one in seen["task.verified"]} == {f"00-{run_id}-"}


async def test_runs_at_once_do_not_mix_and_log_lines_carry_the_trace(traced: Grove, receiver: Receiver) -> None:
    runs = await asyncio.gather(*(run(traced, receiver) for _ in range(3)))
    await asyncio.sleep(1.5)
    for run_id in runs:
        spans = receiver.of(run_id)
        assert [span.name for span in spans if not span.parent] == ["run"]
        assert not {span.parent for span in spans if span.parent} - {span.span for span in spans}
        lines = await traced.docs("logs", run_id=run_id)
        assert lines
        assert {line["trace_id"] for line in lines} == {run_id}

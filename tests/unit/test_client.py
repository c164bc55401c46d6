"""The Python client: what goes over the wire, which error comes back, and how event streams resume."""

import json
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import httpx2
import pytest

from shared.contracts.phases import Action
from shared.contracts.plan import NotesFile, RunOptions
from shared.errors import (
    BadInput,
    Conflict,
    Forbidden,
    IllegalMove,
    LimitExceeded,
    NotFound,
    TaskgroveError,
    Unauthorized,
    Unavailable,
    VersionMismatch,
)
from taskgrove.client import Client

Handler = Callable[[httpx2.Request], httpx2.Response]
TASK = {"taskId": "r1", "runId": "r1", "parentId": None, "title": "Release", "status": "In Progress", "phase": "expanding"}


def client_of(handler: Handler, *, patience: float = 0.0) -> Client:
    return Client("http://grove.test", key="tg_key", patience=patience, transport=httpx2.MockTransport(handler))


def problem(status: int, **fields: object) -> httpx2.Response:
    return httpx2.Response(status, json={"title": "x", "status": status, "detail": "the detail", **fields})


async def test_a_submission_carries_notes_options_and_a_key_against_repeats() -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(202, json=TASK)

    async with client_of(handler) as client:
        root = await client.submit("Do it", notes=[NotesFile(name="a.md", text="# A")], options=RunOptions(review=True))
    body = json.loads(seen[0].content)
    assert root.task_id == "r1"
    assert (body["description"], body["notes"], body["options"]["review"]) == ("Do it", [{"name": "a.md", "text": "# A"}], True)
    assert seen[0].headers["authorization"] == "Bearer tg_key"
    assert len(seen[0].headers["idempotency-key"]) == 32


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadInput),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (412, VersionMismatch),
        (413, LimitExceeded),
        (422, BadInput),
        (429, Unavailable),
        (500, TaskgroveError),
        (503, Unavailable),
    ],
)
async def test_a_problem_becomes_the_error_that_it_stands_for(status: int, kind: type[TaskgroveError]) -> None:
    async with client_of(lambda _: problem(status)) as client:
        with pytest.raises(kind, match="the detail") as caught:
            await client.task("r1")
    assert type(caught.value) is kind


async def test_an_illegal_move_says_what_is_legal() -> None:
    async with client_of(lambda _: problem(409, legal=["cancel", "retry"])) as client:
        with pytest.raises(IllegalMove, match="possible now: cancel, retry") as caught:
            await client.update("r1", Action.PAUSE)
    assert caught.value.legal == ["cancel", "retry"]


async def test_an_old_version_says_which_one_is_there() -> None:
    async with client_of(
        lambda _: httpx2.Response(412, headers={"etag": '"7"'}, json={"title": "x", "status": 412, "detail": "old"})
    ) as client:
        with pytest.raises(VersionMismatch) as caught:
            await client.update("r1", Action.PAUSE, version=3)
    assert caught.value.current == 7


async def test_fields_that_were_refused_are_named() -> None:
    errors = [{"field": "options.planner", "message": "there is none such"}]
    async with client_of(lambda _: problem(422, errors=errors)) as client:
        with pytest.raises(BadInput, match=r"options\.planner: there is none such"):
            await client.submit("x")


async def test_an_answer_that_is_no_problem_document_is_quoted() -> None:
    async with client_of(lambda _: httpx2.Response(502, text="bad gateway of a proxy")) as client:
        with pytest.raises(Unavailable, match="502 Bad Gateway: bad gateway of a proxy"):
            await client.task("r1")


async def test_nobody_there_says_how_to_start_one() -> None:
    async with Client("http://127.0.0.1:1", key="tg_key") as client:
        with pytest.raises(Unavailable, match=r"no Taskgrove answers at http://127\.0\.0\.1:1; start one with `taskgrove up`"):
            await client.tasks()


async def test_patience_waits_for_a_service_that_starts_again() -> None:
    answers = iter([problem(503), httpx2.Response(200, json=TASK)])
    async with client_of(lambda _: next(answers), patience=5.0) as client:
        assert (await client.task("r1")).task_id == "r1"


async def test_an_order_is_never_sent_twice() -> None:
    sent = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.method)
        return problem(503)

    async with client_of(handler, patience=5.0) as client:
        with pytest.raises(Unavailable):
            await client.update("r1", Action.CANCEL)
    assert sent == ["PUT"]


async def test_all_pages_are_read() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        second = request.url.params.get("cursor") == "r1"
        return httpx2.Response(200, json={"items": [{**TASK, "taskId": "r2" if second else "r1"}], "nextCursor": None if second else "r1"})

    async with client_of(handler) as client:
        assert [task.task_id async for task in client.all_tasks(roots=True)] == ["r1", "r2"]


async def test_an_event_stream_resumes_after_the_last_event_and_stops_at_its_end() -> None:
    asked: list[str | None] = []
    streams = iter(
        [
            'event: task.ready\nid: 1\ndata: {"attempts": ["r1.1:1"]}\n\nevent: task.executed\nid: 2\ndata: {}\n\n',
            'event: task.completed\nid: 3\ndata: {"tasks": ["r1"]}\n\nevent: end\ndata: {"phase": "completed"}\n\n',
        ]
    )

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers.get("last-event-id"))
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=next(streams))

    async with client_of(handler) as client:
        events = [event async for event in client.events("r1") if event]
    assert [event.name for event in events] == ["task.ready", "task.executed", "task.completed", "end"]
    assert events[0].data == {"attempts": ["r1.1:1"]}
    assert asked == [None, "2"]


async def test_a_stream_that_breaks_after_a_quiet_spell_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """No event for a minute, then approvals is started anew: the first refused try is not the end."""
    now = [0.0]
    monkeypatch.setattr("taskgrove.transport.time", SimpleNamespace(monotonic=lambda: now[0]))
    tries = iter(range(1, 5))

    class Quiet(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            now[0] += 3_600
            yield b": still here\n\n"

    def handler(_: httpx2.Request) -> httpx2.Response:
        match next(tries):
            case 1:
                return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Quiet())
            case 2 | 3:
                raise httpx2.ConnectError("refused")
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text="id: 1\nevent: end\ndata: {}\n\n")

    async with client_of(handler) as client:
        assert [event.name async for event in client.events("r1") if event] == ["end"]


async def test_an_event_stream_of_what_is_not_there_says_so() -> None:
    async with client_of(lambda _: problem(404)) as client:
        with pytest.raises(NotFound):
            await anext(aiter(client.events("r9")))


async def test_waiting_ends_with_the_run() -> None:
    answers = iter([TASK, {**TASK, "status": "Completed", "phase": "completed"}])
    async with client_of(lambda _: httpx2.Response(200, json=next(answers))) as client:
        assert (await client.wait("r1", timeout=5)).phase == "completed"


async def test_waiting_has_a_limit() -> None:
    async with client_of(lambda _: httpx2.Response(200, json=TASK)) as client:
        with pytest.raises(TimeoutError):
            await client.wait("r1", timeout=0.1)


async def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    paths: list[bytes] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.raw_path)
        return httpx2.Response(200, json=TASK)

    async with client_of(handler) as client:
        await client.task("a/../quarantine?x=1")
    assert paths == [b"/tasks/a%2F..%2Fquarantine%3Fx%3D1"]

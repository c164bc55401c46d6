"""SIGTERM at any moment: the service takes nothing new, ends or hands back what it has, writes what it has to say, and exits with 0."""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.contracts.plan import NotesFile, RunOptions
from taskgrove.local.home import throw_away_home
from taskgrove.local.supervisor import SERVICES
from taskgrove.scripted import Script, scripted
from tests.e2e.fleet import DRAIN_SECONDS, Fleet, Process, a_fleet, timed_end, wired
from tests.e2e.grove import until
from tests.e2e.orchard import orchard
from tests.serving import served

SECONDS = DRAIN_SECONDS + 7.5
"""Longer must no end take: the local runner waits for 10 s more than a service drains, Kubernetes and Compose for longer."""
SOON = timedelta(seconds=3)
"""What is handed back is taken up in this time: a look of the sweep, and a busy machine. Leases last 15 s."""
SHELL = "# Long\n## Sleep\n\n```sh\n{script}\n```\n"


@pytest.fixture
async def fleet(store_url: str, broker_url: str, store_name: str) -> AsyncIterator[Fleet]:
    """No service runs yet."""
    directory = throw_away_home()
    async with a_fleet(directory, store_url=store_url, broker_url=broker_url, store_name=store_name) as fleet:
        yield fleet
    shutil.rmtree(directory, ignore_errors=True)


async def ends(processes: Sequence[Process], what: str, *signals: int) -> None:
    """All of them, told at once: how they exited, and after how long."""
    began = time.monotonic()
    for number in signals or (signal.SIGTERM,):
        for process in processes:
            process.signal(number)
        await asyncio.sleep(0.1)
    found = await asyncio.gather(*(timed_end(process, since=began, seconds=SECONDS + 30) for process in processes))
    listed = ", ".join(f"{process.service} {status} {seconds:.1f} s" for process, (status, seconds) in zip(processes, found, strict=True))
    print(f"\n{what}: {listed}", end="")
    assert {status for status, _ in found} == {0}
    assert max(seconds for _, seconds in found) < SECONDS


async def one(fleet: Fleet, collection: str, **where: Any) -> dict[str, Any]:
    """The one document that is like this, once it is there."""

    async def look() -> Any:
        return await fleet.docs(collection, **where)

    return dict((await until(look, what=f"{where} in {collection}"))[0])


async def submitted(fleet: Fleet, notes: str, **options: Any) -> str:
    """A run; its id."""
    async with fleet.client() as client:
        return (await client.submit(notes=[NotesFile(name="notes.md", text=notes)], options=RunOptions(**options))).run_id


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)]
)
async def test_idle(fleet: Fleet, signals: tuple[int, ...]) -> None:
    await ends(await fleet.start(), f"idle, {' and '.join(signal.Signals(number).name for number in signals)}", *signals)


@pytest.mark.parametrize("missing", ["store", "broker"])
@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_while_it_starts_without(fleet: Fleet, missing: str, how: str) -> None:
    async with wired(fleet) as (store, broker):
        (store if missing == "store" else broker).fail(hangs=how == "hangs")
        processes = [await fleet.spawn(service) for service in SERVICES]
        await asyncio.gather(*(until(process.listens, what=f"{process.service} listens") for process in processes))
        await ends(processes, f"starting, {missing} {how}")


@pytest.mark.parametrize("missing", ["store", "broker"])
@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_at_work_while_it(fleet: Fleet, missing: str, how: str, tmp_path: Path) -> None:
    async with wired(fleet) as (store, broker):
        processes = await fleet.start()
        await submitted(fleet, orchard(tmp_path / "ledger", seconds=1.0).text)
        await one(fleet, "attempts", state="running")
        (store if missing == "store" else broker).fail(hangs=how == "hangs")
        await ends(processes, f"at work, {missing} {how}")


async def test_all_at_once_under_load_and_the_run_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    processes = await fleet.start()
    run_id = await submitted(fleet, orchard(tmp_path / "ledger").text)
    await one(fleet, "attempts", state="executed")
    await ends(processes, "under load")
    assert await fleet.docs("attempts", state="running") == []
    await fleet.start()
    async with fleet.client() as client:
        await client.wait(run_id, timeout=60)
    assert {task["phase"] for task in await fleet.docs("tasks")} == {"completed"}
    assert await fleet.docs("attempts", state="lost") == []


async def test_what_an_executor_works_on_is_taken_up_by_another_at_once(fleet: Fleet) -> None:
    await fleet.start()
    await submitted(fleet, SHELL.format(script="sleep 60"))
    held = await one(fleet, "attempts", state="running")
    await fleet.ready(await fleet.spawn("executor"))
    await ends(fleet.of("executor")[:1], "a script of a minute")
    released = await one(fleet, "attempts", _id=held["_id"], state="released")
    again = await one(fleet, "attempts", state="running")
    print(f"; taken up after {(again['claimed_at'] - released['finished_at']).total_seconds():.2f} s", end="")
    assert again["owner"] != held["owner"]
    assert again["claimed_at"] - released["finished_at"] < SOON


async def test_what_an_executor_has_not_begun_is_taken_up_by_another_at_once(fleet: Fleet) -> None:
    """Its slots are full when it is told to go: what waited for one there goes to the other, not to the sweep five seconds later."""
    await fleet.start(TASKGROVE_EXECUTOR_PROCESS_SLOTS="1")
    await submitted(fleet, "# Many\n" + "".join(f"## Sleep {n}\n\n```sh\nsleep 60\n```\n" for n in range(6)))
    await one(fleet, "attempts", state="running")
    await fleet.ready(await fleet.spawn("executor", TASKGROVE_EXECUTOR_PROCESS_SLOTS="10"))
    await ends(fleet.of("executor")[:1], "five wait behind a script")

    async def all_run() -> bool:
        return len(await fleet.docs("attempts", state="running")) == 6

    await until(all_run, seconds=SOON.total_seconds(), what="six scripts at the other")
    (rescued,) = [await process.metrics() for process in fleet.of("sequencer")]
    assert rescued.get("taskgrove_sweep_rescued_total", 0) == 0


async def test_what_a_checker_looks_at_is_taken_up_by_another_at_once(fleet: Fleet) -> None:
    await fleet.start()
    await submitted(fleet, "# Long\n## Check\n- check: sleep 60\n\n```sh\ntrue\n```\n")
    held = await one(fleet, "verdicts", state="running")
    await fleet.ready(await fleet.spawn("checker"))
    await ends(fleet.of("checker")[:1], "a check of a minute")
    gone = time.monotonic()
    again = await one(fleet, "verdicts", _id=held["_id"], owner={"$nin": ["", held["owner"]]})
    print(f"; taken up after {time.monotonic() - gone:.2f} s", end="")
    assert time.monotonic() - gone < SOON.total_seconds()
    assert again["state"] == "running"


async def test_what_a_planner_asks_a_model_is_taken_up_by_another_at_once(fleet: Fleet) -> None:
    with scripted(Script.model_validate({"rules": [{"answers": [{"text": "late", "delay": 60}]}]})) as model:
        await fleet.start(**model.environment)
        await submitted(fleet, "# Think\nAbout it.\n", planner="model")
        held = await one(fleet, "plannings", state="running")
        await fleet.ready(await fleet.spawn("planner", **model.environment))
        await ends(fleet.of("planner")[:1], "a model that thinks for a minute")
        gone = time.monotonic()
        await one(fleet, "plannings", _id=held["_id"], owner={"$nin": ["", held["owner"]]})
        print(f"; taken up after {time.monotonic() - gone:.2f} s", end="")
        assert time.monotonic() - gone < SOON.total_seconds()


async def test_a_function_that_never_comes_back_holds_up_nobody(fleet: Fleet) -> None:
    await fleet.start()
    await submitted(fleet, '# Stuck\n## Call\n- agent: python\n- call: stuck\n- args: {"seconds": 120}\n')
    held = await one(fleet, "attempts", state="running")
    await ends(fleet.of("executor"), "a thread that sleeps for two minutes")
    assert (await one(fleet, "attempts", _id=held["_id"]))["state"] == "released"


async def test_a_receiver_of_traces_that_hangs_holds_up_nobody(fleet: Fleet, tmp_path: Path) -> None:
    async with served(lambda _reader, _writer: asyncio.sleep(120)) as port:
        processes = await fleet.start(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
        await submitted(fleet, orchard(tmp_path / "ledger").text)
        await one(fleet, "attempts", state="executed")
        await ends(processes, "a receiver of traces that hangs")


async def test_who_watches_is_let_go_and_who_waits_is_answered(fleet: Fleet) -> None:
    """A stream ends as streams end, for its client to come again elsewhere; an order that takes long is carried through."""
    await fleet.start(TASKGROVE_APPROVALS_CONTROL_SECONDS="2.5")
    run_id = await submitted(fleet, SHELL.format(script="sleep 60"))
    await one(fleet, "attempts", state="running")
    await one(fleet, "feed", event="task.ready")
    (approvals,), (sequencer,) = fleet.of("approvals"), fleet.of("sequencer")
    sequencer.signal(signal.SIGSTOP)
    headers = {"authorization": f"Bearer {fleet.key}"}
    async with httpx2.AsyncClient(base_url=approvals.url, headers=headers, timeout=30, trust_env=False) as http:
        watching = asyncio.create_task(_streamed(http, run_id))
        ordering = asyncio.create_task(http.put(f"/tasks/{run_id}", json={"action": "pause"}))
        await one(fleet, "submissions", kind="control")
        await ends([approvals], "a stream and a slow order")
        assert (await ordering).status_code == 202
        assert b"event: task.ready" in await watching
    assert (await fleet.docs("submissions", kind="control"))[0]["event"]["action"] == "pause"


async def _streamed(http: httpx2.AsyncClient, run_id: str) -> bytes:
    async with http.stream("GET", f"/tasks/{run_id}/events") as answer:
        return b"".join([part async for part in answer.aiter_bytes()])


async def test_rolling_two_replicas_of_each_under_load(fleet: Fleet, tmp_path: Path) -> None:
    """No lease expires, nothing is left to the sweep, and no request is refused that the other replica could have had."""
    for _ in range(2):
        await fleet.start()
    rescued = 0.0
    async with a_crowd(fleet, tmp_path) as crowd:
        for service in SERVICES:
            for leaving in fleet.of(service):
                rescued += (await leaving.metrics()).get("taskgrove_sweep_rescued_total", 0)
                await ends([leaving], "rolling")
                await fleet.ready(await fleet.spawn(service))
        rescued += await fleet.total("taskgrove_sweep_rescued_total")
    print(f"\n{len(crowd.runs)} runs, {crowd.answered} requests, {crowd.elsewhere} of them at the other replica, {rescued:g} rescued")
    assert await fleet.docs("attempts", state="lost") == []
    assert rescued == 0
    assert len(crowd.runs) >= 3


class Crowd:
    """Somebody who submits runs and looks at them, each request on a connection of its own, at whichever replica takes it."""

    def __init__(self, fleet: Fleet, directory: Path) -> None:
        self._fleet = fleet
        self._directory = directory
        self.runs: list[str] = []
        self.answered = self.elsewhere = 0

    async def go_on(self, until_when: asyncio.Event) -> None:
        """Until told to stop."""
        while not until_when.is_set():
            notes = orchard(self._directory / f"ledger-{len(self.runs)}", seconds=0.2)
            run = (await self._asked("POST", "/tasks", json={"notes": [notes.wire()]})).json()["runId"]
            self.runs.append(run)
            for _ in range(40):
                if (await self._asked("GET", f"/tasks/{run}")).json()["status"] == "Completed":
                    break
                await asyncio.sleep(0.25)

    async def all_end(self) -> None:
        """Every run that was taken comes to a verified end."""
        async with self._fleet.client() as client:
            for run in self.runs:
                assert (await client.wait(run, timeout=90)).status == "Completed"

    async def _asked(self, method: str, path: str, **more: Any) -> httpx2.Response:
        for process in self._fleet.of("approvals"):
            headers = {"authorization": f"Bearer {self._fleet.key}"}
            async with httpx2.AsyncClient(base_url=process.url, headers=headers, timeout=30, trust_env=False) as http:
                try:
                    answer = await http.request(method, path, **more)
                except httpx2.ConnectError:  # nothing was asked yet: the next replica is, as a balancer would
                    self.elsewhere += 1
                    continue
            self.answered += 1
            assert answer.is_success, answer.text
            return answer
        raise AssertionError("no replica took the request")


@asynccontextmanager
async def a_crowd(fleet: Fleet, directory: Path) -> AsyncIterator[Crowd]:
    """A crowd while the block lasts; afterwards all its runs are over."""
    crowd, stop = Crowd(fleet, directory), asyncio.Event()
    going = asyncio.create_task(crowd.go_on(stop))
    yield crowd
    stop.set()
    await going
    await crowd.all_end()

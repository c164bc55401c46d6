"""What a page of a run is told while it is open: which tasks changed. It then asks for what it shows; nothing is sent that nobody sees.

Each signal bears the number of the last news in it, so that a page which lost its connection goes on where it was.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.approvals.api.access import LOOK, DepsHere, StillLetIn
from services.approvals.api.events import LARGEST, Stream, existing_run, number_in
from services.approvals.deps import Deps
from services.approvals.domain.feed import LISTS
from services.approvals.live import Watcher
from services.approvals.web.tree import place_of
from shared.ids import task_of
from shared.storage.port import Doc

router = APIRouter(include_in_schema=False, dependencies=[LOOK])

PACE_SECONDS = 0.4
"""At most so often is a page told anything: a burst of thousands of events becomes a few signals."""
MOST_NAMED = 200
PAGES = 20
WIDE = ("task.control", "task.reopened", "plan.proposed", "plan.failed", "run.imported")
"""News after which more has changed than the task that they name."""
RETRY = 1_000


@dataclass(slots=True)
class Signal:
    """What changed since the last one. With `all`, more did than is worth naming."""

    places: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    all: bool = False

    def add(self, docs: Iterable[Doc]) -> None:
        """Take in news of the feed."""
        for doc in docs:
            self.all = self.all or doc["event"] in WIDE
            self.places |= {place_of(name) for name in tasks_in(doc["data"])}

    def hear(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Take in that tasks printed something."""
        self.outputs |= {place_of(line["taskId"]) for line in lines}

    def wire(self) -> dict[str, Any]:
        """As the page reads it."""
        many = self.all or len(self.places) > MOST_NAMED
        return {"all": many, "tasks": [] if many else sorted(self.places), "output": sorted(self.outputs)[:MOST_NAMED]}


def tasks_in(data: Mapping[str, Any]) -> set[str]:
    """The tasks that an event is about."""
    named = {task_of(name) if ":" in name else name for key in LISTS for name in data.get(key, ())}
    return named | ({data["taskId"]} if data.get("taskId") else set())


@router.get("/ui/runs/{run_id}/stream", response_class=EventSourceResponse)
async def signals(
    run_id: Annotated[str, Depends(existing_run)],
    deps: DepsHere,
    *,
    still_let_in: StillLetIn,
    after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Signals from number `after` on, or from the `Last-Event-ID` of a page that comes back; it ends with the session."""
    seen = number_in(last_event_id)
    stream = Stream(deps, run_id, last=after if seen is None else seen)
    with deps.hub.watch(run_id) as watcher:
        await stream.open()
        yield ServerSentEvent(event="hello", data={"after": stream.at}, id=str(stream.at), retry=RETRY)
        while not deps.hub.closing and await still_let_in():
            signal = await _gather(stream, watcher)
            if signal:
                yield ServerSentEvent(event="changed", id=str(stream.at), data=signal.wire())
                await deps.ground.clock.sleep(PACE_SECONDS)
            else:
                await watcher.news(deps.settings.poll_seconds)


async def _gather(stream: Stream, watcher: Watcher) -> Signal | None:
    """All that is new, in bounded steps; None: nothing is."""
    signal = Signal()
    for _ in range(PAGES):
        docs = await stream.news()
        signal.add(docs)
        if not docs:
            break
    signal.hear(watcher.progress())
    return signal if signal.all or signal.places or signal.outputs else None


async def end_of(deps: Deps, run_id: str) -> int:
    """The number that a page which is made now has seen."""
    return await deps.feed.end(run_id)

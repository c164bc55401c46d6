"""`GET /tasks/{id}/events`: a run as it happens, by Server-Sent Events, resumable by `Last-Event-ID`."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.approvals.api.access import LOOK, DepsHere, StillLetIn
from services.approvals.api.loading import find_task
from services.approvals.deps import Deps
from services.approvals.domain.feed import ends, reopens, seen_by
from shared.contracts.phases import TERMINAL
from shared.errors import Unavailable
from shared.ids import run_of
from shared.storage.port import Doc

router = APIRouter(tags=["tasks"], dependencies=[LOOK])
log = structlog.get_logger()

SETTLED = timedelta(seconds=5)
PROGRESS = "agent.progress"
LARGEST = 2**63 - 1
"""Numbers above this cannot be asked of the store."""


async def existing(task_id: str, deps: DepsHere) -> str:
    """The id, of a task that there is: a stream cannot say later that there is none."""
    await find_task(deps, task_id)
    return task_id


async def existing_run(run_id: str, deps: DepsHere) -> str:
    """The same of a run."""
    return await existing(run_id, deps)


@router.get("/tasks/{task_id}/events", response_class=EventSourceResponse)
async def watch(
    task_id: Annotated[str, Depends(existing)],
    deps: DepsHere,
    *,
    still_let_in: StillLetIn,
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """What happens in the task and below it; of a root: in the whole run. `end` comes last, once the run has ended."""
    stream = Stream(deps, task_id, last=number_in(last_event_id) or 0)
    with deps.hub.watch(stream.run_id) as watcher:
        await stream.open()
        while not deps.hub.closing and await still_let_in():
            docs = await stream.news()
            for doc in docs:
                if data := seen_by(doc["data"], task_id):
                    yield ServerSentEvent(event=doc["event"], id=str(doc["seq"]), data=data)
            for progress in watcher.progress():
                if data := seen_by(progress, task_id):
                    yield ServerSentEvent(event=PROGRESS, data=data)
            if not docs:
                if end := await stream.end():
                    yield ServerSentEvent(event="end", data=end)
                    return
                await watcher.news(deps.settings.poll_seconds)


def number_in(last_event_id: str | None) -> int | None:
    """The number of the last news that the client has seen; None for what is no number of any."""
    text = last_event_id or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < len(str(LARGEST)) else None


class Stream:
    """Where one client is in the feed of a run."""

    def __init__(self, deps: Deps, task_id: str, *, last: int) -> None:
        self._deps = deps
        self._seq = last
        self._ended = False
        self.run_id = run_of(task_id)

    @property
    def at(self) -> int:
        """The number of the last news that was handed out."""
        return self._seq

    async def open(self) -> None:
        """Start over when the client has seen numbers that there are no more: what is older than a week is forgotten."""
        try:
            if self._seq > await self._deps.feed.end(self.run_id):
                self._seq = 0
        except Unavailable as error:
            log.warning("feed.waits", run_id=self.run_id, error=str(error))

    async def news(self) -> list[Doc]:
        """What the feed has that the client has not; nothing while the store does not answer."""
        try:
            docs = await self._deps.feed.after(self.run_id, self._seq)
        except Unavailable as error:
            log.warning("feed.waits", run_id=self.run_id, error=str(error))
            return []
        for doc in docs:
            self._seq = doc["seq"]
            if ends(doc["event"], doc["data"], self.run_id):
                self._ended = True
            elif reopens(doc["event"], doc["data"], self.run_id):
                self._ended = False  # what ended it then is not its last news
        return docs

    async def end(self) -> dict[str, Any] | None:
        """How the run ended, once nothing more is to come: the root is done, and its last news was seen or is long past."""
        try:
            root = await self._deps.reads.task(self.run_id)
        except Unavailable:
            return None
        if root is None or root["phase"] not in TERMINAL:
            return None
        finished = root.get("finished_at")
        if self._ended or finished is None or self._deps.ground.clock.now() - finished > SETTLED:
            return {"runId": self.run_id, "phase": root["phase"]}
        return None

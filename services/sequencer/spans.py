"""Writes the spans of tasks and runs once they are over, from what is stored: beside the work, so that no handler waits for it."""

import asyncio
from collections.abc import Sequence

from services.sequencer.store import PAGE, TaskStore
from shared.contracts.base import Event
from shared.contracts.phases import Phase
from shared.contracts.sequencer import TaskCompleted, TaskFailed
from shared.telemetry.traces import Over, Traces

MOST_WAITING = 100_000


class Spans:
    """Takes what the sequencer says; what ended since the last look is read and written together."""

    def __init__(self, store: TaskStore, traces: Traces) -> None:
        self._store = store
        self._traces = traces
        self._over: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)

    def take(self, said: Sequence[Event]) -> None:
        """Keep the ids of the tasks that are over. More than can be kept go without a span."""
        for event in said:
            if isinstance(event, (TaskCompleted, TaskFailed)):
                for task_id in event.tasks[: MOST_WAITING - self._over.qsize()]:
                    self._over.put_nowait(task_id)

    async def run(self) -> None:
        """Write spans, until cancelled."""
        while True:
            ids = [await self._over.get()]
            while len(ids) < PAGE and not self._over.empty():
                ids.append(self._over.get_nowait())
            for doc in await self._store.timed(ids):
                self._traces.over(
                    Over(
                        task_id=doc["_id"],
                        name="task" if doc.get("parent_id") else "run",
                        started=doc["reopened_at"] if doc.get("was_over") else doc["created_at"],
                        finished=doc["finished_at"],
                        attributes={"kind": doc["kind"], "phase": doc["phase"], "attempts": doc["attempts"], "depth": doc["depth"]},
                        failed=doc["phase"] == Phase.FAILED,
                        again=bool(doc.get("was_over")),
                    )
                )

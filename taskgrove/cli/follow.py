"""Follows a run to its end, or to where only people can help. Events say when to look; what counts is what is seen."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from shared.contracts.phases import Phase
from shared.contracts.views import ApprovalView, TaskView
from shared.errors import TaskgroveError
from taskgrove.cli.look import Look, look
from taskgrove.cli.text import line_of
from taskgrove.cli.view import View
from taskgrove.client import Client

END_OF_TIME = datetime.max.replace(tzinfo=UTC)
SHORTEST_PAUSE = 0.25
LONGEST_PAUSE = 2.0
SETTLED_SECONDS = 1.5
"""For this long nothing must move before a run is taken to wait for people: an answer takes a moment to arrive."""


class People(Protocol):
    """Whoever answers questions while a run is followed."""

    async def answer(self, approval: ApprovalView, view: View) -> None:
        """Answer it, or leave it. Asked once for each question."""


class Nobody:
    """Leaves all questions open."""

    async def answer(self, approval: ApprovalView, view: View) -> None:
        view.say(f"? {line_of(approval.question)}")


class Follower:
    """One run that is followed."""

    def __init__(self, client: Client, run_id: str, *, view: View, people: People, stop_at_people: bool) -> None:
        """`stop_at_people`: come back when only people can help; else wait for them."""
        self._client = client
        self._run_id = run_id
        self._view = view
        self._people = people
        self._stop_at_people = stop_at_people
        self._news = asyncio.Event()
        self._phases: dict[str, tuple[Phase, int]] = {}
        self._asked: set[str] = set()
        self._still_since: float | None = None

    async def follow(self) -> Look:
        """The last look: the run has ended, or waits for people."""
        listening = asyncio.create_task(self._listen())
        try:
            with self._view:
                return await self._watch()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _watch(self) -> Look:
        seen: Look | None = None
        while True:
            self._news.clear()
            began = time.monotonic()
            seen = await look(self._client, self._run_id, last=seen)
            took = time.monotonic() - began
            self._view.show(seen, self._changed(seen))
            if seen.ended or (self._stop_at_people and self._is_stuck(seen)):
                return seen
            if await self._ask(seen.approvals):
                continue
            await asyncio.sleep(max(SHORTEST_PAUSE, 3 * took))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LONGEST_PAUSE if self._still_since is None else SETTLED_SECONDS / 3)

    async def _ask(self, approvals: tuple[ApprovalView, ...]) -> bool:
        fresh = [approval for approval in approvals if approval.approval_id not in self._asked]
        for approval in fresh:
            self._asked.add(approval.approval_id)
            await self._people.answer(approval, self._view)
        return bool(fresh)

    def _is_stuck(self, seen: Look) -> bool:
        waits = seen.waits_for_people() and all(approval.approval_id in self._asked for approval in seen.approvals)
        if not waits:
            self._still_since = None
        elif self._still_since is None:
            self._still_since = time.monotonic()
        return self._still_since is not None and time.monotonic() - self._still_since >= SETTLED_SECONDS

    def _changed(self, seen: Look) -> list[TaskView]:
        changed = []
        for task in (*seen.tasks, seen.root):
            state = (task.phase, task.attempt if task.phase is Phase.RETRYING else 0)
            if self._phases.get(task.task_id) != state:
                self._phases[task.task_id] = state
                changed.append(task)
        return sorted(changed, key=lambda task: (task.finished_at or task.started_at or END_OF_TIME, -task.depth))

    async def _listen(self) -> None:
        """Be woken by events. Without them the run is looked at all the same, only less often."""
        with suppress(TaskgroveError):
            async for event in self._client.events(self._run_id):
                self._news.set()
                if event is not None and event.name == "agent.progress":
                    self._progress(event.data)

    def _progress(self, data: Mapping[str, Any]) -> None:
        lines = [line for line in data.get("lines", ()) if line.strip()]
        if lines and "taskId" in data:
            self._view.heard(data["taskId"], lines[-1])

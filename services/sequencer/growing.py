"""The tasks of a plan, written page by page: a large plan begins with its first page, while the rest is grown and written."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from services.sequencer.advance import say
from services.sequencer.domain.grow import first_move
from services.sequencer.domain.phases import Move
from services.sequencer.domain.task import Task
from services.sequencer.store import TaskStore, born
from shared.aside import aside
from shared.clock import Clock
from shared.contracts.base import Event

PAGE = 1_000
FIRST = 200
"""The first page of a large plan is small: executors and checkers have nothing to do until it is there."""

Tell = Callable[[list[Event]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Page:
    """Documents that are written together, and the first moves of those that may go."""

    documents: list[dict[str, Any]]
    moves: list[Move]


@dataclass(slots=True)
class Growing:
    """`count` documents that grow below `parent`. `unsaid` are the first moves that nobody was told of meanwhile."""

    store: TaskStore
    parent: Task
    tell: Tell
    documents: Iterator[dict[str, Any]]
    count: int
    unsaid: list[Move] = field(default_factory=list)

    async def written(self) -> set[str]:
        """Write all of them. Those that were there before stay as they are, and come back."""
        known: set[str] = set()
        page = await self._grown(FIRST if self._large else self.count)
        while page.documents:  # one after the other: none may be there before what it waits for
            there, page = await asyncio.gather(self._write(page), self._grown(PAGE))
            known |= there
        return known

    @property
    def _large(self) -> bool:
        return self.count > PAGE

    async def _grown(self, size: int) -> Page:
        """The next of them, as far as there are any."""

        def page() -> Page:
            documents = list(islice(self.documents, size))
            return Page(documents, [move for one in documents if (move := _born(one, self.store.clock))])

        return await aside(page, size=self.count)

    async def _write(self, page: Page) -> set[str]:
        """Write this page; of a large plan it may begin. Who holds or ends the parent from now on reaches it; who did before is seen."""
        there = await self.store.insert(page.documents)
        if self._large and await self._still_waited_for():
            await self.tell(say(page.moves))
        else:
            self.unsaid += page.moves
        return there

    async def _still_waited_for(self) -> bool:
        was, now = self.parent, (await self.store.get([self.parent.task_id])).get(self.parent.task_id)
        return now is not None and (now.phase, now.epoch, now.paused) == (was.phase, was.epoch, was.paused)


def _born(document: dict[str, Any], clock: Clock) -> Move | None:
    """It is about to be stored: what waits for nothing is released, a wide one looks for itself."""
    if document.get("wide"):
        document["due_at"] = document["created_at"]
    elif move := first_move(document):
        born(document, move, clock)
        return move
    return None

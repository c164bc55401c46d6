"""Lines for the live view: gathered for half a second, said without being confirmed, dropped when there are too many."""

import asyncio
from collections import defaultdict

from shared.bell import Bell
from shared.contracts.executor import AgentProgress
from shared.errors import Unavailable
from shared.ids import run_of
from shared.messaging.publisher import Publisher

FLUSH_SECONDS = 0.5
MOST_LINES = 200
MOST_LINE = 2_000
MOST_ALL = 10_000


class Progress:
    """What agents print, on its way to whoever watches."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._lines: dict[str, list[str]] = defaultdict(list)
        self._count = 0
        self._bell = Bell()

    def take(self, task_id: str, line: str) -> None:
        """One line; it never waits."""
        if self._count < MOST_ALL and len(self._lines[task_id]) < MOST_LINES:
            self._lines[task_id].append(line[:MOST_LINE])
            self._count += 1
            self._bell.ring()

    async def run(self) -> None:
        """Say what was gathered, until cancelled."""
        while True:
            await self._bell.rung()
            await asyncio.sleep(FLUSH_SECONDS)
            if self._lines:
                taken, self._lines, self._count = self._lines, defaultdict(list), 0
                try:
                    await self._publisher.say([AgentProgress(run_id=run_of(t), task_id=t, lines=tuple(ls)) for t, ls in taken.items()])
                except Unavailable:
                    continue

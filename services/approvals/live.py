"""Who watches which run in this process, so that news reach them at once and not at their next look."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from shared.contracts.executor import AgentProgress

MOST_LINES = 1_000
MOST_CHARACTERS = 1_000_000


class Watcher:
    """One client. Progress that it is too slow for is dropped, the oldest first: it is never needed."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._progress: deque[dict[str, Any]] = deque()
        self._characters = 0

    def wake(self, progress: dict[str, Any] | None = None) -> None:
        """There is something new."""
        if progress is not None:
            self._progress.append(progress)
            self._characters += _length(progress)
        while len(self._progress) > MOST_LINES or self._characters > MOST_CHARACTERS:
            self._characters -= _length(self._progress.popleft())
        self._news.set()

    async def news(self, seconds: float) -> None:
        """Return when there is something new, or after `seconds`: another process may have written it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        self._news.clear()

    def progress(self) -> list[dict[str, Any]]:
        """The progress since the last call."""
        lines = list(self._progress)
        self._progress.clear()
        self._characters = 0
        return lines


def _length(progress: Mapping[str, Any]) -> int:
    return sum(len(line) for line in progress["lines"])


class Hub:
    """All watchers of this process."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Watcher]] = defaultdict(set)
        self.closing = False

    @contextmanager
    def watch(self, run_id: str) -> Iterator[Watcher]:
        """A watcher of this run, for as long as the block lasts."""
        watcher = Watcher()
        self._watchers[run_id].add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[run_id].discard(watcher)
            if not self._watchers[run_id]:
                del self._watchers[run_id]

    def wake(self, run_id: str) -> None:
        """The feed of this run has grown."""
        for watcher in self._watchers.get(run_id, ()):
            watcher.wake()

    def progress(self, event: AgentProgress) -> None:
        """Pass lines on to those who watch now."""
        if watchers := self._watchers.get(event.run_id):
            progress = event.wire()
            for watcher in watchers:
                watcher.wake(progress)

    def count(self) -> float:
        """How many watch."""
        return float(sum(len(watchers) for watchers in self._watchers.values()))

    def close(self) -> None:
        """Let everyone go: the process ends, and they connect again elsewhere."""
        self.closing = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.wake()

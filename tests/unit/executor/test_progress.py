"""Lines for the live view: gathered, bounded, and dropped rather than waited for."""

from typing import Any

from services.executor.progress import MOST_ALL, MOST_LINE, MOST_LINES, Progress


class Mouth:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    async def say(self, events: Any) -> None:
        self.said += events


def test_no_task_and_not_all_tasks_together_can_fill_the_memory() -> None:
    progress = Progress(Mouth())  # type: ignore[arg-type]
    for n in range(10 * MOST_LINES):
        progress.take("run.1", f"{n} {'x' * 10 * MOST_LINE}")
    kept = progress._lines["run.1"]  # noqa: SLF001 (nobody else needs to see it)
    assert (len(kept), max(len(line) for line in kept)) == (MOST_LINES, MOST_LINE)
    for n in range(2 * MOST_ALL):
        progress.take(f"run.{n % 1_000}", "x")
    assert sum(len(lines) for lines in progress._lines.values()) == MOST_ALL  # noqa: SLF001

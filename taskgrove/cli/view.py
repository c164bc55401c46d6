"""Follows a run for a person or a program: as lines, as JSON lines, or not at all. `live` has the view for terminals."""

import time
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from rich.text import Text

from shared.contracts.phases import TERMINAL, Phase
from shared.contracts.views import TaskView
from taskgrove.cli.look import Look, remaining, seconds_of
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import MARKS, clean, duration, line_of, words

SUMMARY_SECONDS = 5.0
TOLD = TERMINAL | {Phase.RUNNING, Phase.RETRYING, Phase.REPLANNING}
"""Phases that are worth a line. What waits for people is told by its question."""

FAILURES = (Phase.FAILED,)
MENTIONED = (Phase.FAILED, Phase.CANCELLED, Phase.RUNNING, Phase.READY, Phase.AWAITING_APPROVAL, Phase.ESCALATED)


class View(Protocol):
    """What shows a run while it is followed."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End; what was shown stays."""

    def show(self, seen: Look, changed: list[TaskView]) -> None:
        """A new look, and the tasks whose phase is another than at the last one."""

    def heard(self, task_id: str, line: str) -> None:
        """A running task said something."""

    def say(self, text: str) -> None:
        """A line between the others."""

    def pause(self) -> None:
        """Leave the terminal to a question."""

    def resume(self) -> None:
        """Take it back."""


class QuietView:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was begun."""

    def show(self, seen: Look, changed: list[TaskView]) -> None:
        """Nothing to show."""

    def heard(self, task_id: str, line: str) -> None:
        """Nobody listens."""

    def say(self, text: str) -> None:
        """Nobody listens."""

    def pause(self) -> None:
        """Nothing is shown."""

    def resume(self) -> None:
        """Nothing is shown."""


class LineView(QuietView):
    """A line for each change; for a large run, one now and then that says how far it is."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._told_at = 0.0
        self._told: tuple[int, int] | None = None

    def show(self, seen: Look, changed: list[TaskView]) -> None:
        titles = {task.task_id: task for task in seen.tasks}
        for task in changed:
            if task.phase in (TOLD if seen.whole else FAILURES) and task.task_id != seen.root.task_id:
                self._screen.say(change_line(task, titles))
        if not seen.whole:
            self._summary(seen)

    def say(self, text: str) -> None:
        self._screen.say(f"{now()} {text}")

    def _summary(self, seen: Look) -> None:
        figures = (seen.done, seen.total)
        if figures != self._told and (seen.ended or time.monotonic() - self._told_at >= SUMMARY_SECONDS):
            self._told, self._told_at = figures, time.monotonic()
            self.say(progress_line(seen))


class JsonView(QuietView):
    """One JSON line for each change."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, seen: Look, changed: list[TaskView]) -> None:  # noqa: ARG002 (what is shown to people is not shown to programs)
        for task in changed:
            self._screen.json_line(change_document(task))


def now() -> str:
    """The time of day here."""
    return datetime.now(UTC).astimezone().strftime("%H:%M:%S")


def change_line(task: TaskView, others: dict[str, TaskView]) -> Text:
    """`12:01:03 ✓ Unit tests 3.2 s`"""
    mark, style = MARKS[task.phase]
    line = Text.assemble(f"{now()} ", (mark, style), f" {path_of(task, others)}")
    if task.phase in TERMINAL and (seconds := seconds_of(task)) is not None:
        line.append(f" {duration(seconds)}", style="dim")
    elif task.phase is not Phase.COMPLETED:
        line.append(f" {words(task.phase)}", style=style)
    if task.error and task.phase is not Phase.COMPLETED:
        line.append(f": {line_of(task.error.message, 120)}", style="dim")
    return line


def path_of(task: TaskView, others: dict[str, TaskView]) -> str:
    """`Docs / Proof`: the titles down to the task, without the run's own."""
    titles = [line_of(task.title, 80)]
    while (parent := others.get(task.parent_id or "")) is not None:
        titles.append(line_of(parent.title, 40))
        task = parent
    return " / ".join(reversed(titles))


def progress_line(seen: Look) -> str:
    """`12/40 done, 1 failed, 8 running, ETA 40 s`"""
    parts, counts = [f"{seen.done}/{seen.total} done"], seen.below()
    parts += [f"{count} {words(phase)}" for phase in MENTIONED if (count := counts.get(phase))]
    if (left := remaining(seen)) is not None:
        parts.append(f"ETA {duration(left)}")
    return ", ".join(parts)


def change_document(task: TaskView) -> dict[str, Any]:
    """A change for programs."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "taskId": task.task_id,
        "title": clean(task.title),
        "phase": task.phase,
        "status": task.status,
        "attempt": task.attempt,
        "seconds": seconds_of(task),
        "error": task.error.wire() if task.error else None,
    }

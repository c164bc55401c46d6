"""The view for terminals: the tree, a progress bar and the time that is left, drawn anew a few times a second."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from shared.contracts.phases import TERMINAL, Phase
from shared.contracts.views import TaskView
from taskgrove.cli.look import ASKING, MOVING, Look, remaining, seconds_of
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import MARKS, duration, line_of, words
from taskgrove.cli.view import QuietView, now

BAR_WIDTH = 30
SPARE_LINES = 4
TITLE = 70


class LiveView(QuietView):
    """Draws each look in the place of the one before."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said: dict[str, str] = {}
        self._live = self._fresh()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, seen: Look, changed: list[TaskView]) -> None:
        for task in changed:
            if task.phase in TERMINAL:
                self._said.pop(task.task_id, None)
        room = max(5, self._screen.console.height - SPARE_LINES)
        self._live.update(picture(seen, self._said, room=room), refresh=True)

    def _fresh(self) -> Live:
        """Drawn when there is something new to draw, which the follower bounds. One that was stopped would draw over what came after it."""
        return Live(console=self._screen.console, auto_refresh=False)

    def heard(self, task_id: str, line: str) -> None:
        self._said[task_id] = line

    def say(self, text: str) -> None:
        self._screen.say(f"{now()} {text}")

    def pause(self) -> None:
        self._live.stop()

    def resume(self) -> None:
        self._live = self._fresh()
        self._live.start()


def picture(seen: Look, said: dict[str, str], *, room: int) -> RenderableType:
    """The run in at most `room` lines and a bar below."""
    lines = tree_lines(seen, said, room=room) if seen.whole else [task_line(task, 0, said) for task in seen.tasks[:room]]
    return Group(*lines, bar(seen))


def tree_lines(seen: Look, said: dict[str, str], *, room: int) -> list[Text]:
    """The tree; where it is too long, finished groups are folded, then what is finished or has not begun is only counted."""
    children = by_parent(seen.tasks)
    top = root_line(seen.root)
    rows = list(_walk(children, seen.root.task_id, depth=1, fold=False))
    if len(rows) >= room:
        rows = list(_walk(children, seen.root.task_id, depth=1, fold=True))
    if len(rows) < room:
        return [top, *(task_line(task, depth, said) for task, depth in rows)]
    kept = [(task, depth) for task, depth in rows if task.phase in MOVING or task.phase in ASKING or task.phase is Phase.FAILED]
    hidden = Counter(task.phase for task, _ in rows) - Counter(task.phase for task, _ in kept[: room - 2])
    rest = ", ".join(f"{count} {words(phase)}" for phase, count in hidden.items())
    return [top, *(task_line(task, depth, said) for task, depth in kept[: room - 2]), Text(f"  … and {rest}", style="dim")]


def _walk(children: dict[str, list[TaskView]], name: str, *, depth: int, fold: bool) -> Iterable[tuple[TaskView, int]]:
    for task in children.get(name, ()):
        yield task, depth
        if not (fold and task.phase is Phase.COMPLETED):
            yield from _walk(children, task.task_id, depth=depth + 1, fold=fold)


def root_line(root: TaskView) -> Text:
    """The run itself: how it stands, and why it failed where none of its tasks says so, such as a plan that was rejected."""
    line = Text.assemble((line_of(root.title, TITLE), "bold"), (f"  {words(root.phase)}", MARKS[root.phase][1]))
    if root.error and root.phase is not Phase.COMPLETED:
        line.append(f"  {line_of(root.error.message, TITLE)}", style="red")
    return line


def by_parent(tasks: Iterable[TaskView]) -> dict[str, list[TaskView]]:
    """Children in the order of their positions."""
    children: dict[str, list[TaskView]] = defaultdict(list)
    for task in tasks:
        children[task.parent_id or ""].append(task)
    return children


def task_line(task: TaskView, depth: int, said: dict[str, str]) -> Text:
    """One task on one line."""
    mark, style = MARKS[task.phase]
    line = Text("  " * depth, no_wrap=True, overflow="ellipsis")
    line.append(mark, style=style)
    line.append(f" {line_of(task.title, TITLE)}", style="dim" if task.phase is Phase.BLOCKED else "")
    if task.phase not in (Phase.BLOCKED, Phase.COMPLETED, Phase.EXPANDED):
        line.append(f"  {words(task.phase)}", style=style)
    if task.paused and task.phase not in TERMINAL:
        line.append("  paused", style="yellow")
    if task.attempt > 1:
        line.append(f"  try {task.attempt} of {task.max_attempts}", style="yellow")
    if task.phase in TERMINAL and (seconds := seconds_of(task)) is not None:
        line.append(f"  {duration(seconds)}", style="dim")
    if task.error and task.phase is not Phase.COMPLETED:
        line.append(f"  {line_of(task.error.message, TITLE)}", style="red")
    elif task.phase is Phase.RUNNING and task.task_id in said:
        line.append(f"  {line_of(said[task.task_id], TITLE)}", style="dim")
    return line


def bar(seen: Look) -> Table:
    """How far it is, and how long it will take."""
    grid = Table.grid(padding=(0, 1))
    left = remaining(seen)
    time = f"{duration(seen.elapsed())} so far" + (f", about {duration(left)} to go" if left else "")
    if seen.ended:
        time = f"took {duration(seen.elapsed())}"
    progress = ProgressBar(total=max(1, seen.total), completed=seen.done, width=BAR_WIDTH, complete_style="green", finished_style="green")
    grid.add_row(progress, Text(f"{seen.done}/{seen.total}"), Text(time, style="dim"))
    return grid

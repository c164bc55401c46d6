"""A plan as people see it before it starts: the tree, the order, what may go together, the critical path, and what is odd."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from services.planner.lint import Finding
from shared.contracts.plan import PRIORITY, Checkpoint, Plan, TaskSpec
from taskgrove.cli.planning import Level, Planned, count_tasks, finding_line
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import clean, count_of, duration, line_of

MOST_TREE = 150
MOST_NAMES = 12
MOST_LEVELS = 12
MOST_FINDINGS = 40
WIDEST = 60


def show_plan(screen: Screen, planned: Planned, *, details: bool) -> None:
    """The tree and what is odd about it; with `details` also what follows from the dependencies."""
    screen.show(plan_tree(planned.plan, concurrency=planned.options.concurrency))
    if details:
        levels = [level for level in planned.levels() if level.tasks]
        for level in levels[:MOST_LEVELS]:
            _show_level(screen, level, planned.plan.title)
        if len(levels) > MOST_LEVELS:
            screen.say(f"… and {count_of(len(levels) - MOST_LEVELS, 'more group')} (--json has all)", style="dim")
    show_findings(screen, planned.findings)


def show_findings(screen: Screen, findings: Sequence[Finding]) -> None:
    """What lint found."""
    for finding in findings[:MOST_FINDINGS]:
        style = "bold red" if finding.severity == "error" else "yellow"
        screen.say(Text.assemble((f"{finding.severity} ", style), (f"[{finding.code}] ", "dim"), clean(finding_line(finding))))
    if len(findings) > MOST_FINDINGS:
        screen.say(f"… and {len(findings) - MOST_FINDINGS} more findings (--json has all)", style="dim")


def plan_document(planned: Planned) -> dict[str, Any]:
    """The same for programs."""
    levels = [_level_document(level) for level in planned.levels()]
    return {
        "title": planned.plan.title,
        "planner": planned.plan.planner,
        "tasks": planned.count(),
        "priority": PRIORITY if planned.options.priority is None else planned.options.priority,
        "concurrency": planned.options.concurrency,
        "plan": planned.plan.wire(),
        "sequence": {key: value for key, value in levels[0].items() if key != "path"},
        "levels": levels,
        "forecastSeconds": levels[0]["forecastSeconds"],
        "lint": [{"code": one.code, "severity": one.severity, "path": list(one.path), "message": one.message} for one in planned.findings],
    }


def _level_document(level: Level) -> dict[str, Any]:
    found = level.sequence
    return {
        "path": list(level.path),
        "order": list(found.order),
        "edges": [list(edge) for edge in found.edges],
        "groups": [list(group) for group in found.groups],
        "criticalPath": list(found.critical_path),
        "integration": list(found.integration),
        "forecastSeconds": found.forecast_seconds,
    }


def plan_tree(plan: Plan, *, concurrency: int | None = None, rest: str = "--json has all") -> Tree:
    """The tasks as a tree. `rest`: where those are that find no room."""
    at_once, total = f", at most {concurrency} at once" if concurrency else "", count_tasks(plan)
    title = Text.assemble((line_of(plan.title or "Untitled"), "bold"), (f"  {count_of(total, 'task')}{at_once}", "dim"))
    tree = Tree(title, guide_style="dim")
    left = _grow(tree, plan.tasks, room=MOST_TREE)
    if left < 0:
        tree.add(Text(f"… {total - MOST_TREE} more ({rest})", style="dim"))
    return tree


def _grow(branch: Tree, tasks: Sequence[TaskSpec], *, room: int) -> int:
    """Add the tasks while there is room; what is left of it, negative when some found none."""
    titles = {task.key: task.title for task in tasks}
    for task in tasks:
        room -= 1
        if room < 0:
            return room
        room = _grow(branch.add(_label(task, titles)), task.subtasks, room=room)
    return room


def _label(task: TaskSpec, titles: dict[str, str]) -> Text:
    label = Text(line_of(task.title, WIDEST), style="bold" if task.subtasks else "")
    for text, style in _facts(task, titles):
        label.append(f"  {text}", style=style)
    return label


def _facts(task: TaskSpec, titles: dict[str, str]) -> Iterator[tuple[str, str]]:
    if task.kind == "integration":
        yield "integration", "magenta"
    if task.agent and not task.subtasks:
        yield task.agent, "cyan"
    if task.after:
        yield f"after {_names([titles.get(key, key) for key in task.after], most=4)}", "dim"
    if task.checkpoint:
        yield _checkpoint(task.checkpoint), "yellow"
    for check in task.checks:
        yield f"check: {check_line(check)}", "green"
    if task.priority != PRIORITY:
        yield f"priority {task.priority}", "dim"
    if task.estimate is not None:
        yield f"≈ {duration(task.estimate)}", "dim"


def check_line(check: dict[str, Any]) -> str:
    """A check in a few words: what it runs, or the file that it looks at."""
    subject = check.get("run") or check.get("path") or check.get("text") or check.get("pattern") or ""
    return line_of(f"{check.get('kind', '?')} {subject}".strip(), WIDEST)


def _checkpoint(checkpoint: Checkpoint) -> str:
    who = f" by {', '.join(checkpoint.approvers)}" if checkpoint.approvers else ""
    count = f" ({checkpoint.required} people)" if checkpoint.required > 1 else ""
    return f"? approval {checkpoint.when}{who}{count}"


def _show_level(screen: Screen, level: Level, title: str) -> None:
    names = {task.key: task.title for task in level.tasks}
    found = level.sequence
    screen.say()
    screen.say(" / ".join(level.path) or title or "Untitled", style="bold")
    _fact(screen, "order", _names([names[key] for key in found.order], joint=" → "))
    for number, group in enumerate(found.groups[:MOST_NAMES], 1):
        _fact(screen, f"group {number}", _names([names[key] for key in group], joint="  ∥  "))
    if len(found.groups) > MOST_NAMES:
        _fact(screen, "", f"… and {len(found.groups) - MOST_NAMES} more groups")
    if found.integration:
        _fact(screen, "integration", _names([names[key] for key in found.integration]))
    _fact(screen, "critical path", _names([names[key] for key in found.critical_path], joint=" → "))
    known = found.forecast_seconds is not None
    _fact(screen, "forecast", duration(found.forecast_seconds) if known else "not known: no task says how long it takes (`- estimate: 5m`)")


def _fact(screen: Screen, name: str, value: str) -> None:
    screen.say(Text.assemble((f"  {name:<14}", "dim"), clean(value)))


def _names(names: Sequence[str], *, joint: str = ", ", most: int = MOST_NAMES) -> str:
    shown = [line_of(name, WIDEST) for name in names[:most]]
    more = [f"… {len(names) - most} more"] if len(names) > most else []
    return joint.join([*shown, *more])

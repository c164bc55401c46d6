"""What a run came to: for people, for programs, and as an exit status."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.contracts.checker import NO_CHECK
from shared.contracts.phases import Phase
from shared.contracts.views import ApprovalView, TaskView
from shared.ids import above
from taskgrove.cli.approval_text import next_command
from taskgrove.cli.look import WHOLE, Look, seconds_of
from taskgrove.cli.results import Kept, results, save
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import count_of, duration, last_lines, line_of, short, size, spent, words
from taskgrove.client import Client

COMPLETED, FAILED, BAD_INPUT, WAITS = 0, 1, 2, 3
MOST_FAILED = 20
MOST_ARTIFACTS = 40
TAIL = 6


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a run, or where it stands. `hint`: the options that lead other commands to it."""

    seen: Look
    failed: tuple[TaskView, ...]
    kept: tuple[Kept, ...] = ()
    hint: str = ""
    waits: tuple[ApprovalView, ...] = ()
    in_memory: bool = False
    out: Path | None = None

    @property
    def copy_command(self) -> str:
        """What copies the results: what is in memory is gone when the run is."""
        again = "run again with" if self.in_memory else f"taskgrove watch {short(self.seen.root.run_id)}{self.hint}"
        return f"{again} --out DIR"

    @property
    def exit_status(self) -> int:
        """0 completed, what had checks is verified; 1 a task failed or a result was not saved; 3 waits for a person."""
        if not self.seen.ended:
            return WAITS
        return COMPLETED if self.good and not any(one.not_saved for one in self.kept) else FAILED

    @property
    def good(self) -> bool:
        """Whether the run was completed, and all of it."""
        counts = self.seen.below()
        return self.seen.root.phase in (Phase.COMPLETED, Phase.SKIPPED) and not counts.get(Phase.FAILED) and not counts.get(Phase.CANCELLED)


async def report_on(client: Client, seen: Look, *, hint: str, out: Path | None = None, in_memory: bool = False) -> Report:
    """Gather what the report needs; copy the results into `out`."""
    failed = [task for task in (*seen.tasks, seen.root) if task.phase is Phase.FAILED and (task.kind != "group" or not task.child_ids)]
    kept = results(seen) if seen.ended else []
    kept = await save(client, kept, out) if out else kept
    return Report(seen, tuple(failed[:MOST_FAILED]), tuple(kept), hint, seen.approvals, in_memory, out)


def show_report(screen: Screen, report: Report) -> None:
    """For people: what was done, what was not and why, where the results are, and what to type next."""
    seen, root = report.seen, report.seen.root
    screen.say()
    style = "yellow" if not seen.ended else "green" if report.good else "bold red"
    state = words(root.phase) if seen.ended else "waits for a person"
    screen.say(f"{line_of(root.title)}: {state} — {_figures(seen)}, {duration(seen.elapsed())}", style=style)
    cost = spent(root.usage)
    screen.say(f"run {root.run_id}" + (f": language models {cost}" if cost else ""), style="dim")
    for task in report.failed:
        _show_failed(screen, task, None if report.in_memory else report.hint)
    _show_kept(screen, report.kept, report.copy_command)
    if report.out and seen.ended and not report.kept:
        screen.warn(_no_files(seen, report.out))
    if not seen.ended:
        _show_waits(screen, report)


def _figures(seen: Look) -> str:
    counts, claims = seen.below(), unchecked(seen)
    done, total = counts.get(Phase.COMPLETED, 0), count_of(seen.total, "task")
    if claims is None:
        parts = [f"{done} of {total} completed"]
    else:
        parts = [f"{done - len(claims)} of {total} verified", *([f"{len(claims)} done without a check"] if claims else [])]
    parts += [f"{count} {words(phase)}" for phase in (Phase.FAILED, Phase.CANCELLED, Phase.SKIPPED) if (count := counts.get(phase, 0))]
    return ", ".join(parts)


def unchecked(seen: Look) -> list[TaskView] | None:
    """Completed tasks that nothing speaks for but their agent: no check was asked for. None: not all tasks of so large a run were read.

    A group without checks of its own is what is below it: one such task there is enough.
    """
    if not seen.whole:
        return None
    claims = {task.task_id for task in seen.tasks if _is_claim(task)}
    around = {name for claim in claims for name in above(claim)}
    return [
        task
        for task in seen.tasks
        if task.task_id in claims or (task.task_id in around and task.phase is Phase.COMPLETED and not task.checks)
    ]


def _is_claim(task: TaskView) -> bool:
    return task.phase is Phase.COMPLETED and bool(task.evidence) and all(one.check == NO_CHECK for one in task.evidence)


def _show_failed(screen: Screen, task: TaskView, hint: str | None) -> None:
    screen.say()
    screen.say(f"✗ {line_of(task.title)} {duration(seconds_of(task)) if task.started_at else ''}".rstrip(), style="bold red")
    for line in why(task):
        screen.say(f"  {line}")
    if hint is not None:
        screen.say(f"  more: taskgrove logs {short(task.run_id)} --task {short(task.task_id)}{hint}", style="dim")


def why(task: TaskView) -> list[str]:
    """What the checks that failed saw; where none did, the error of the task."""
    lines = []
    for evidence in task.evidence:
        if not evidence.passed:
            lines += [f"{evidence.check}: {line_of(evidence.detail)}", *(f"| {line}" for line in last_lines(evidence.output, TAIL))]
    if not lines and task.error:
        lines = last_lines(task.error.message, TAIL)
    return list(dict.fromkeys(lines)) or ["it does not say why"]


def _show_kept(screen: Screen, kept: Sequence[Kept], copy_command: str) -> None:
    there, missing = [one for one in kept if not one.not_saved], [one for one in kept if one.not_saved]
    if there:
        screen.say()
        screen.say("Results:", style="bold")
    for one in there[:MOST_ARTIFACTS]:
        other = f" (another {one.artifact.name} was there)" if one.renamed else ""
        screen.say(f"  {one.artifact.name}  {size(one.artifact.bytes)}  {one.saved or one.artifact.sha256[:12]}{other}")
    if len(there) > MOST_ARTIFACTS:
        screen.say(f"  … and {len(there) - MOST_ARTIFACTS} more")
    for one in missing[:MOST_ARTIFACTS]:
        screen.warn(f"Not saved: {one.artifact.name}: {one.not_saved}")
    if len(missing) > MOST_ARTIFACTS:
        screen.warn(f"… and {len(missing) - MOST_ARTIFACTS} more were not saved")
    if any(one.by_disk for one in missing):
        screen.warn(f"Mend that, or take another folder: {copy_command}")
    if there and not there[0].saved:
        screen.say(f"  to copy them: {copy_command}", style="dim")


def _no_files(seen: Look, out: Path) -> str:
    if not seen.whole:
        return f"No files: of more than {WHOLE} tasks only what integration steps of the run itself leave is copied; let one join the rest"
    return f"No files: the tasks that end this run left none, so that nothing was copied to {out}; `integration: yes` joins those of others"


def _show_waits(screen: Screen, report: Report) -> None:
    screen.say()
    if report.in_memory:
        screen.say("In memory nothing is kept. Use --approve-as NAME, or leave out --in-memory; these are open:", style="bold yellow")
    else:
        screen.say("This run goes on when a person has answered, with:", style="bold yellow")
    for approval in report.waits:
        screen.say(f"  ? {line_of(approval.question)}")
        if not report.in_memory:
            screen.say(f"    {next_command(approval, report.hint)}")
    for command in _resumes(report):
        screen.say(f"    {command}")


def _resumes(report: Report) -> list[str]:
    paused = report.seen.paused
    names = {task.task_id for task in paused}
    return [f"taskgrove resume {short(task.task_id)}{report.hint}" for task in paused if task.parent_id not in names]


def report_document(report: Report) -> dict[str, Any]:
    """The same for programs."""
    seen, root, claims = report.seen, report.seen.root, unchecked(report.seen)
    return {
        "runId": root.run_id,
        "title": root.title,
        "status": root.status,
        "phase": root.phase,
        "exitStatus": report.exit_status,
        "seconds": seen.elapsed(),
        "tasks": seen.total,
        "usage": root.usage.wire(),
        "counts": {phase.value: count for phase, count in seen.below().items()},
        "verified": None if claims is None else seen.below().get(Phase.COMPLETED, 0) - len(claims),
        "unchecked": None if claims is None else [task.task_id for task in claims],
        "failed": [_failed_document(task) for task in report.failed],
        "artifacts": [_kept_document(one) for one in report.kept],
        "waitsFor": [approval.wire() for approval in report.waits],
        "next": [next_command(approval, report.hint) for approval in report.waits] + _resumes(report) if not seen.ended else [],
    }


def _failed_document(task: TaskView) -> dict[str, Any]:
    error = task.error.wire() if task.error else None
    return {"taskId": task.task_id, "title": task.title, "phase": task.phase, "error": error, "why": why(task)}


def _kept_document(one: Kept) -> dict[str, Any]:
    saved = str(one.saved) if one.saved else None
    return {**one.artifact.wire(), "taskId": one.task.task_id, "task": one.task.title, "savedAs": saved, "notSaved": one.not_saved}

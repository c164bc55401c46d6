"""`taskgrove run`: from notes to verified work in one go."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from services.approvals.domain.principals import APPROVER, check_principal
from shared.ids import new_id
from taskgrove.cli.dashboard import dashboard_link
from taskgrove.cli.follow import Follower, Nobody, People
from taskgrove.cli.live import LiveView
from taskgrove.cli.models import refuse_without_model, stand_in, submission_at
from taskgrove.cli.options import (
    ApiOption,
    ConcurrencyOption,
    DataOption,
    InputOption,
    JsonOption,
    MoreArgument,
    NotesOption,
    OutOption,
    PlannerOption,
    PriorityOption,
    PromptOption,
    ReviewOption,
    ScriptedModelOption,
    TimeScaleOption,
    commands,
)
from taskgrove.cli.people import ApproverAs, Asker
from taskgrove.cli.persons import PersonClients
from taskgrove.cli.place import Place, known_place
from taskgrove.cli.plan_view import show_plan
from taskgrove.cli.planning import Planned, Submission, run_options
from taskgrove.cli.report import report_document, report_on, show_report
from taskgrove.cli.screen import Screen
from taskgrove.cli.stand import INTERRUPTED, Where, work_at
from taskgrove.cli.text import short
from taskgrove.cli.view import LineView, QuietView, View
from taskgrove.client import Client

app = commands()


@dataclass(slots=True)
class Errand:
    """What is to be done, and how far it got: Ctrl-C may end it anywhere."""

    submission: Submission
    approve_as: str | None
    out: Path | None
    keep: bool
    submitting: bool = False
    """It was sent: from now on the run may be there, even if nobody has told us its id yet."""
    run_id: str | None = None
    status: int | None = None
    hint: str = ""


@app.command()
def run(
    more: MoreArgument = None,
    *,
    notes: NotesOption = None,
    prompt: PromptOption = "",
    planner: PlannerOption = None,
    inputs: InputOption = None,
    approve_as: Annotated[
        str | None,
        typer.Option("--approve-as", metavar="NAME", help="Approve checkpoints as this person, without asking.", show_default=False),
    ] = None,
    review: ReviewOption = False,
    out: OutOption = None,
    in_memory: Annotated[bool, typer.Option("--in-memory", help="Everything in this process; nothing is kept.")] = False,
    time_scale: TimeScaleOption = 1.0,
    priority: PriorityOption = None,
    concurrency: ConcurrencyOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="What was started for this run stays up until Ctrl-C.")] = False,
    scripted_model: ScriptedModelOption = None,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan the notes, or what a prompt asks for, show the plan, carry it out, ask at checkpoints, and report.

    Uses the Taskgrove that runs on the data directory, or starts one for this run.
    Exit status: as `taskgrove --help` says.
    """
    screen, where = Screen(as_json=as_json), Where(api, data, in_memory)
    paths = [*(notes or ()), *(more or ())]
    more_options = {"review": review, "time_scale": time_scale, "priority": priority, "concurrency": concurrency}
    options = run_options(planner=planner, notes=bool(paths), inputs=inputs or (), **more_options)
    if approve_as is not None:
        check_principal(approve_as, [APPROVER])
    with stand_in(scripted_model, where):
        place = None if where.in_memory else known_place(where.api, where.data)
        submission = submission_at(place, paths, prompt=prompt, options=options)
        raise typer.Exit(_run(Errand(submission, approve_as, out, keep), where, screen))


def _run(errand: Errand, where: Where, screen: Screen) -> int:
    if isinstance(errand.submission, Planned):
        show_plan(screen, errand.submission, details=False)
    else:
        refuse_without_model(where)
        screen.say("A language model plans this once it is submitted.", style="dim")
    ended = work_at(where, screen, lambda place: _carry_out(errand, place, screen))
    if ended is None:
        _interrupted(errand, screen, where)
    return INTERRUPTED if errand.status is None else errand.status


async def _carry_out(errand: Errand, place: Place, screen: Screen) -> int:
    submission = errand.submission
    errand.hint = place.hint
    async with place.client() as client, PersonClients(place, client, say=screen.say) as persons:
        if errand.approve_as:
            await persons.of(errand.approve_as, groups=sorted(needed_groups(submission, errand.approve_as)))
        errand.submitting = True
        root = await client.submit(submission.prompt, notes=submission.notes, options=submission.options, idempotency_key=new_id())
        errand.run_id = root.run_id
        screen.say(f"Run {root.run_id} (short: {short(root.run_id)})", style="dim")
        screen.say(f"Dashboard: {await dashboard_link(client, screen, page=f'/runs/{root.run_id}')}", style="dim")
        people = people_for(errand.approve_as, client=client, persons=persons, screen=screen, hint=place.hint)
        seen = await Follower(client, root.run_id, view=view_for(screen), people=people, stop_at_people=True).follow()
        report = await report_on(client, seen, hint=place.hint, out=errand.out, in_memory=place.in_memory)
    errand.status = report.exit_status
    show_report(screen, report)
    if place.passing and not errand.keep and (report.failed or report.kept or report.waits):
        screen.say(f"Taskgrove ends with this run; it is there for such commands again after: taskgrove up -d{place.hint}", style="dim")
    screen.document(report_document(report))
    if errand.keep:
        screen.say(f"\nTaskgrove stays up at {place.url}; Ctrl-C ends it.", style="dim")
        await asyncio.Event().wait()
    return errand.status


def needed_groups(submission: Submission, name: str) -> set[str]:
    """The groups that this person must be in to approve all checkpoints of the plan, where they are not named themselves."""
    if not isinstance(submission, Planned):
        return set()
    checkpoints = (task.checkpoint for level in submission.levels() for task in level.tasks if task.checkpoint)
    return {group for checkpoint in checkpoints if name not in checkpoint.approvers for group in checkpoint.approvers}


def people_for(approve_as: str | None, *, client: Client, persons: PersonClients, screen: Screen, hint: str) -> People:
    """Who answers: the named person, whoever sits at the terminal, or nobody. `hint`: the options that lead other commands there."""
    if approve_as:
        return ApproverAs(approve_as, persons)
    return Asker(client, screen, persons, hint=hint) if screen.is_terminal else Nobody()


def view_for(screen: Screen) -> View:
    """How a run is shown here."""
    if screen.as_json:
        return QuietView()
    return LiveView(screen) if screen.console.is_terminal else LineView(screen)


def _interrupted(errand: Errand, screen: Screen, where: Where) -> None:
    if errand.status is not None:
        return
    if where.in_memory:
        screen.warn("Stopped; a run in memory is not kept.")
    elif errand.run_id:
        goes_on = "goes on there" if where.api else f"goes on while Taskgrove is up (`taskgrove up{errand.hint}`)"
        screen.warn(
            f"Stopped. The run {errand.run_id} is kept: it {goes_on}; follow it with `taskgrove watch {short(errand.run_id)}{errand.hint}`."
        )
    elif errand.submitting:
        screen.warn(
            "Stopped while the run was submitted; it is not known whether it began. "
            f"Look with `taskgrove status{errand.hint}` before you start it again."
        )
    else:
        screen.warn("Stopped before the run began.")

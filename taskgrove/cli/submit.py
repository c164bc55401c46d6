"""`taskgrove submit`: hand notes over and go."""

import asyncio
from typing import Annotated

import typer

from shared.ids import new_id
from taskgrove.cli.models import submission_at
from taskgrove.cli.options import (
    ApiOption,
    ConcurrencyOption,
    DataOption,
    InputOption,
    JsonOption,
    MoreArgument,
    NotesOption,
    PlannerOption,
    PriorityOption,
    PromptOption,
    ReviewOption,
    TimeScaleOption,
    commands,
)
from taskgrove.cli.place import Place, find_place, known_place
from taskgrove.cli.plan_view import show_findings
from taskgrove.cli.planning import Planned, Submission, run_options
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import count_of, line_of, short

app = commands()


@app.command()
def submit(
    more: MoreArgument = None,
    *,
    notes: NotesOption = None,
    prompt: PromptOption = "",
    planner: PlannerOption = None,
    inputs: InputOption = None,
    review: ReviewOption = False,
    time_scale: TimeScaleOption = 1.0,
    priority: PriorityOption = None,
    concurrency: ConcurrencyOption = None,
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", metavar="KEY", help="The same key never starts a second run.", show_default=False),
    ] = None,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand notes, or a prompt, to a Taskgrove that runs, and return at once. Notes that cannot be carried out are refused here."""
    paths = [*(notes or ()), *(more or ())]
    more_options = {"review": review, "time_scale": time_scale, "priority": priority, "concurrency": concurrency}
    options = run_options(planner=planner, notes=bool(paths), inputs=inputs or (), **more_options)
    submission = submission_at(known_place(api, data), paths, prompt=prompt, options=options)
    asyncio.run(_submit(submission, find_place(api, data), screen=Screen(as_json=as_json), key=key or new_id()))


async def _submit(submission: Submission, place: Place, *, screen: Screen, key: str) -> None:
    async with place.client() as client:
        root = await client.submit(submission.prompt, notes=submission.notes, options=submission.options, idempotency_key=key)
    if isinstance(submission, Planned):
        show_findings(screen, submission.warnings)
        screen.say(f"Run {root.run_id}: {line_of(submission.plan.title or root.title)}, {count_of(submission.count(), 'task')}")
    else:
        screen.say(f"Run {root.run_id}: {line_of(root.title)}; a language model plans it")
    screen.say(f"  follow it: taskgrove watch {short(root.run_id)}{place.hint}", style="dim")
    screen.document(root)

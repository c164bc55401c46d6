"""`taskgrove submit`: hand notes over and go."""

import asyncio
from typing import Annotated

import typer

from shared.ids import new_id
from taskgrove.cli.options import (
    ApiOption,
    DataOption,
    InputOption,
    JsonOption,
    MoreArgument,
    NotesOption,
    PlannerOption,
    PromptOption,
    ReviewOption,
    TimeScaleOption,
    commands,
)
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.plan_view import show_findings
from taskgrove.cli.planning import Planned, plan_paths, run_options
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import count_of, line_of, short

app = commands()


@app.command()
def submit(
    more: MoreArgument = None,
    *,
    notes: NotesOption,
    prompt: PromptOption = "",
    planner: PlannerOption = "outline",
    inputs: InputOption = None,
    review: ReviewOption = False,
    time_scale: TimeScaleOption = 1.0,
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", metavar="KEY", help="The same key never starts a second run.", show_default=False),
    ] = None,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand notes to a Taskgrove that runs, and return at once. Notes that cannot be carried out are refused here."""
    options = run_options(planner=planner, inputs=inputs or (), review=review, time_scale=time_scale)
    planned = plan_paths([*notes, *(more or ())], prompt=prompt, options=options)
    planned.refuse_errors()
    asyncio.run(_submit(planned, find_place(api, data), screen=Screen(as_json=as_json), key=key or new_id()))


async def _submit(planned: Planned, place: Place, *, screen: Screen, key: str) -> None:
    async with place.client() as client:
        root = await client.submit(planned.prompt, notes=planned.notes, options=planned.options, idempotency_key=key)
    show_findings(screen, planned.warnings)
    screen.say(f"Run {root.run_id}: {line_of(planned.plan.title or root.title)}, {count_of(planned.count(), 'task')}")
    screen.say(f"  follow it: taskgrove watch {short(root.run_id)}{place.hint}", style="dim")
    screen.document(root)

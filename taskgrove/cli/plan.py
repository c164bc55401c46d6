"""`taskgrove plan`: a dry run. Nothing is started and nothing is sent anywhere."""

import typer

from taskgrove.cli.options import (
    ConcurrencyOption,
    InputOption,
    JsonOption,
    MoreArgument,
    NotesOption,
    PlannerOption,
    PriorityOption,
    PromptOption,
    commands,
)
from taskgrove.cli.plan_view import plan_document, show_plan
from taskgrove.cli.planning import plan_paths, run_options
from taskgrove.cli.screen import Screen

app = commands()
BAD_INPUT = 2


@app.command()
def plan(
    more: MoreArgument = None,
    *,
    notes: NotesOption = None,
    prompt: PromptOption = "",
    planner: PlannerOption = None,
    inputs: InputOption = None,
    priority: PriorityOption = None,
    concurrency: ConcurrencyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would be done: the tree, the order, parallel groups, integration steps, critical path, forecast, and what is odd.

    Exit status: 0, or 2 when the notes cannot be carried out.
    """
    screen = Screen(as_json=as_json)
    paths = [*(notes or ()), *(more or ())]
    options = run_options(planner=planner, notes=bool(paths), inputs=inputs or (), priority=priority, concurrency=concurrency)
    planned = plan_paths(paths, prompt=prompt, options=options)
    show_plan(screen, planned, details=True)
    screen.document(plan_document(planned))
    if planned.errors:
        screen.warn("This plan cannot be carried out yet; mend what is listed as error.")
        raise typer.Exit(BAD_INPUT)

"""Options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated

import typer

from shared.contracts.plan import MOST_AT_ONCE


def commands(name: str | None = None) -> typer.Typer:
    """The commands of one file; with a name, they are listed below it."""
    return typer.Typer(name=name, rich_markup_mode=None, no_args_is_help=bool(name), pretty_exceptions_enable=False)


def directory(given: str) -> Path:
    """The directory that is named. Raises BadParameter for the empty string, which a Path takes for the one we are in."""
    if not given:
        raise typer.BadParameter("it is empty; give a directory, such as . for this one")
    return Path(given)


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="TASKGROVE_HOME", metavar="DIR", parser=directory, help="Data directory on this machine.", show_default=False
    ),
]
ApiOption = Annotated[
    str | None,
    typer.Option("--api", envvar="TASKGROVE_API", metavar="URL", help="Another Taskgrove; TASKGROVE_KEY has its key.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

NotesOption = Annotated[
    list[Path] | None,
    typer.Option("--notes", "-n", metavar="PATH", help="A file of notes, or a directory of them; may be repeated.", show_default=False),
]
MoreArgument = Annotated[list[Path] | None, typer.Argument(metavar="PATH", help="More notes.", show_default=False)]
PromptOption = Annotated[str, typer.Option("--prompt", "-p", help="What is wanted, in a sentence or two.", show_default=False)]
PlannerOption = Annotated[
    str | None,
    typer.Option(
        "--planner",
        metavar="NAME",
        help="outline: the headings of the notes are the tasks (default); model: a language model plans (default without notes); "
        "import: a plan or workflow as JSON.",
        show_default=False,
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="NAME=VALUE", help="Every task gets it as TASKGROVE_INPUT_NAME; repeatable.", show_default=False),
]
ReviewOption = Annotated[bool, typer.Option("--review", help="A person approves the plan before it starts.")]
TimeScaleOption = Annotated[float, typer.Option("--time-scale", min=0, help="For recorded workflows: their seconds times this.")]
PriorityOption = Annotated[
    int | None,
    typer.Option("--priority", min=0, max=9, metavar="N", help="9 goes first, 0 last; for tasks that say none.", show_default=False),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=MOST_AT_ONCE, metavar="N", help="Most tasks of this run at once.", show_default=False),
]
ScriptedModelOption = Annotated[
    Path | None,
    typer.Option("--scripted-model", metavar="SCRIPT", help="In place of a language model: what a script says.", show_default=False),
]

OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="DIR", parser=directory, help="Copy the results into it; nothing is overwritten.", show_default=False
    ),
]

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, its first or last 4 characters or more, or `last`.")]
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="Id of a task, such as last.2.1, or of a run.")]

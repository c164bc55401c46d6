"""`taskgrove cancel`, `pause`, `resume`, `retry` and `rerun`: orders for a task and all below it."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from shared.contracts.phases import Action
from shared.contracts.views import TaskView
from shared.errors import BadInput
from shared.figures import count_of
from taskgrove.cli import resolve
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, TaskArgument, commands
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import line_of, words

app = commands()

ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why; it is kept.", show_default=False)]


SUMMARIES = {
    Action.CANCEL: "Cancel a task and all below it.",
    Action.PAUSE: "Start nothing new below a task; what runs is finished.",
    Action.RESUME: "Let a paused task go on.",
    Action.RETRY: "Try a failed or cancelled task again.",
}


def _command(action: Action) -> Callable[..., None]:
    def order(
        task: TaskArgument, *, reason: ReasonOption = "", api: ApiOption = None, data: DataOption = None, as_json: JsonOption = False
    ) -> None:
        _order(task, action, reason=reason, place=find_place(api, data), screen=Screen(as_json=as_json))

    return order


for _action, _summary in SUMMARIES.items():
    app.command(_action.value, help=_summary)(_command(_action))


@app.command()
def rerun(
    task: TaskArgument,
    *,
    reason: ReasonOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do a task that is over again, with all that comes after it. All else is kept."""
    asyncio.run(_rerun(task, reason=reason, yes=yes, place=find_place(api, data), screen=Screen(as_json=as_json)))


async def _rerun(wanted: str, *, reason: str, yes: bool, place: Place, screen: Screen) -> None:
    async with place.client() as client:
        task_id = await resolve.task_id(client, wanted)
        task, what = await asyncio.gather(client.task(task_id), client.rerun_preview(task_id))
        meaning = f"{line_of(task.title)}: {count_of(what.again, 'task')} will be done again, {what.kept} are kept"
        if not yes and not _confirmed(meaning):
            raise typer.Abort
        task = await client.update(task_id, Action.RERUN, reason=reason, version=what.version)
    screen.say(f"rerun: {meaning}; {words(task.phase)}{' (paused)' if task.paused else ''}")
    screen.document(task)


def _confirmed(meaning: str) -> bool:
    """Whether a person says yes. Raises BadInput where nobody is there to say anything."""
    try:
        return typer.confirm(f"{meaning}. Go on?", err=True)
    except typer.Abort as error:
        if isinstance(error.__context__, EOFError):
            typer.echo(err=True)
            raise BadInput("nothing was done, because nobody answered; say --yes to do it without being asked") from None
        raise


def _order(wanted: str, action: Action, *, reason: str, place: Place, screen: Screen) -> None:
    task = asyncio.run(_update(wanted, action, reason=reason, place=place))
    screen.say(f"{action.value}: {line_of(task.title)} is {words(task.phase)}{' (paused)' if task.paused else ''}")
    screen.document(task)


async def _update(wanted: str, action: Action, *, reason: str, place: Place) -> TaskView:
    async with place.client() as client:
        return await client.update(await resolve.task_id(client, wanted), action, reason=reason)

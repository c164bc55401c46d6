"""`taskgrove cancel`, `pause`, `resume` and `retry`: orders for a task and all below it."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer

from shared.contracts.phases import Action
from shared.contracts.views import TaskView
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


def _order(wanted: str, action: Action, *, reason: str, place: Place, screen: Screen) -> None:
    task = asyncio.run(_update(wanted, action, reason=reason, place=place))
    screen.say(f"{action.value}: {line_of(task.title)} is {words(task.phase)}{' (paused)' if task.paused else ''}")
    screen.document(task)


async def _update(wanted: str, action: Action, *, reason: str, place: Place) -> TaskView:
    async with place.client() as client:
        return await client.update(await resolve.task_id(client, wanted), action, reason=reason)

"""`taskgrove status`: the runs, or one of them as a tree."""

import asyncio
from typing import Annotated

import typer
from rich.text import Text

from shared.contracts.views import TaskView
from taskgrove.cli import resolve
from taskgrove.cli.approval_text import next_command
from taskgrove.cli.live import bar, tree_lines
from taskgrove.cli.look import look
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, commands
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import MARKS, duration, line_of, short, spent, words
from taskgrove.cli.view import progress_line

app = commands()

MOST_LINES = 200


@app.command()
def status(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Id of a run, its first or last 4 characters or more, or `last`; none: list the runs."),
    ] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many runs to list.")] = 20,
    full: Annotated[bool, typer.Option("--full", help=f"The whole tree, even of more than {MOST_LINES} lines.")] = False,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs, newest first, or show one run as a tree."""
    screen, place = Screen(as_json=as_json), find_place(api, data)
    asyncio.run(_list(screen, place, limit) if run is None else _show(screen, place, run, full=full))


async def _list(screen: Screen, place: Place, limit: int) -> None:
    async with place.client() as client:
        page = await client.tasks(roots=True, limit=limit)
    screen.document(page)
    if not page.items:
        screen.say(f"No runs yet; start one with: taskgrove run --notes PATH{place.hint}")
        return
    screen.table(("run", "started", "state", "took", "title"), [_row(task) for task in page.items])
    if page.next_cursor:
        screen.say(f"… and older ones; --limit {limit * 2} shows more", style="dim")


def _row(task: TaskView) -> list[str | Text]:
    mark, style = MARKS[task.phase]
    started = f"{task.created_at.astimezone():%m-%d %H:%M:%S}" if task.created_at else "?"
    took = duration((task.finished_at - task.created_at).total_seconds()) if task.finished_at and task.created_at else ""
    return [short(task.run_id), started, Text(f"{mark} {words(task.phase)}", style=style), took, line_of(task.title, 60)]


async def _show(screen: Screen, place: Place, wanted: str, *, full: bool) -> None:
    async with place.client() as client:
        run_id = await resolve.run_id(client, wanted)
        if screen.as_json:
            screen.document(await client.task(run_id, tree=True))
            return
        seen = await look(client, run_id)
    for line in tree_lines(seen, {}, room=10**9 if full else MOST_LINES):
        screen.say(line)
    screen.show(bar(seen))
    cost = spent(seen.root.usage)
    screen.say(f"run {run_id}: {progress_line(seen)}" + (f"; language models {cost}" if cost else ""), style="dim")
    for approval in seen.approvals:
        screen.say(Text.assemble(("? ", "bold yellow"), line_of(approval.question), (f"  {next_command(approval, place.hint)}", "dim")))

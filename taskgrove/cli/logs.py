"""`taskgrove logs`: what happened, line by line."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Literal

import typer
from rich.text import Text

from shared.contracts.views import LogLine
from taskgrove.cli import resolve
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, RunArgument, commands
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.screen import Screen
from taskgrove.cli.stand import INTERRUPTED
from taskgrove.cli.text import clean, clock_time, short
from taskgrove.client import PAGE, Client
from taskgrove.interrupt import until_interrupted

app = commands()

LOOK_SECONDS = 0.7
STYLES = {"debug": "dim", "warning": "yellow", "error": "red", "critical": "bold red"}
Level = Literal["debug", "info", "warning", "error", "critical"]


@app.command()
def logs(
    run: RunArgument,
    *,
    task: Annotated[str | None, typer.Option("--task", metavar="TASK", help="Of this task and all below it.", show_default=False)] = None,
    level: Annotated[Level | None, typer.Option("--level", help="This level and above.", show_default=False)] = None,
    grep: Annotated[str | None, typer.Option("--grep", metavar="REGEX", help="Lines that match this.", show_default=False)] = None,
    text: Annotated[str | None, typer.Option("--text", metavar="WORDS", help="Lines with these words.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search and follow the logs of a run. With --json: one line of JSON for each line."""
    filters = {"level": level, "grep": grep, "text": text}
    work = _logs(Screen(as_json=as_json), find_place(api, data), (run, task), filters=filters, follow=follow)
    try:
        asyncio.run(until_interrupted(work))
    except KeyboardInterrupt:
        raise typer.Exit(0 if follow else INTERRUPTED) from None


async def _logs(screen: Screen, place: Place, wanted: tuple[str, str | None], *, filters: dict[str, str | None], follow: bool) -> None:
    run, task = wanted
    async with place.client() as client:
        filters = {**filters, "run": await resolve.run_id(client, run), "task": await _task(client, run, task)}
        await client.task(filters["task"] or filters["run"] or "")  # what is not there has no lines either, and none will come
        count = 0
        async for line in lines(client, filters, follow=follow):
            screen.say(as_text(line))
            screen.json_line(line)
            count += 1
    if not count:
        screen.warn("No line fits.")


async def lines(client: Client, filters: Mapping[str, str | None], *, follow: bool) -> AsyncIterator[LogLine]:
    """The lines that fit, each once; with `follow` those to come as well, without end."""
    after: str | None = None
    shown: set[str] = set()
    while True:
        page = await client.logs(after=after, limit=PAGE, **filters)
        for line in page.items:
            if line.id not in shown:
                yield line
        after = page.next_cursor or after
        shown = {name for name in (*shown, *(line.id for line in page.items)) if name > (after or "")}
        if len(page.items) < PAGE:
            if not follow:
                return
            await asyncio.sleep(LOOK_SECONDS)


async def _task(client: Client, run: str, task: str | None) -> str | None:
    """The task that is meant; one that begins with a dot lies below the run."""
    if task is None:
        return None
    return await resolve.task_id(client, run + task if task.startswith(".") else task)


def as_text(line: LogLine) -> Text:
    """`12:01:03 warning executor …: message`"""
    where = " ".join(part for part in (line.service or "", short(line.attempt or line.task_id or "")) if part)
    return Text.assemble(
        (clock_time(line.ts), "dim"), " ", (f"{line.level:<7}", STYLES.get(line.level, "")), " ", (where, "cyan"), "  ", clean(line.message)
    )

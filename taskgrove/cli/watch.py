"""`taskgrove watch`: a run as it happens."""

import asyncio
from pathlib import Path

import typer

from taskgrove.cli import resolve
from taskgrove.cli.follow import Follower, Nobody
from taskgrove.cli.live import LiveView
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, OutOption, RunArgument, commands
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.report import report_on, show_report
from taskgrove.cli.screen import Screen
from taskgrove.cli.stand import INTERRUPTED
from taskgrove.cli.view import JsonView, LineView, View
from taskgrove.interrupt import until_interrupted

app = commands()


@app.command()
def watch(run: RunArgument, *, out: OutOption = None, api: ApiOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Follow a run until it ends; Ctrl-C leaves it running. With --json: one line for each change.

    Exit status: as `taskgrove --help` says.
    """
    screen = Screen(as_json=as_json)
    try:
        status = asyncio.run(until_interrupted(_watch(screen, find_place(api, data), run, out=out)))
    except KeyboardInterrupt:
        screen.warn("No longer watched; the run goes on.")
        status = INTERRUPTED
    raise typer.Exit(status)


async def _watch(screen: Screen, place: Place, wanted: str, *, out: Path | None) -> int:
    async with place.client() as client:
        run_id = await resolve.run_id(client, wanted)
        seen = await Follower(client, run_id, view=_view(screen), people=Nobody(), stop_at_people=False).follow()
        report = await report_on(client, seen, hint=place.hint, out=out)
    show_report(screen, report)
    return report.exit_status


def _view(screen: Screen) -> View:
    if screen.as_json:
        return JsonView(screen)
    return LiveView(screen) if screen.console.is_terminal else LineView(screen)

"""`taskgrove open`: the dashboard in the browser, logged in by a link that works once."""

import asyncio
import os
import sys
import webbrowser
from typing import Annotated

import typer

from services.approvals.domain.principals import APPROVER, check_principal
from taskgrove.cli import resolve
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, commands
from taskgrove.cli.persons import PersonClients
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.screen import Screen
from taskgrove.client import Client

app = commands()

OpenOption = Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser, where there is one.")]
ONCE = "works once, within 5 minutes"


@app.command("open")
def open_(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A run to look at.", show_default=False)] = None,
    *,
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="As this approver.", show_default=False)] = None,
    groups: Annotated[
        list[str] | None, typer.Option("--group", metavar="GROUP", help="With --as: a group they are in; repeatable.", show_default=False)
    ] = None,
    in_browser: OpenOption = True,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open the dashboard, logged in as whoever the API key belongs to."""
    screen = Screen(as_json=as_json)
    if name is not None:
        check_principal(name, [APPROVER])
    link = asyncio.run(_link(screen, find_place(api, data), run, name=name, groups=groups or ()))
    opened = in_browser and open_in_browser(link)
    screen.say("The dashboard is open in your browser." if opened else f"Dashboard ({ONCE}): {link}")
    screen.document({"link": link, "opened": opened})


async def _link(screen: Screen, place: Place, run: str | None, *, name: str | None, groups: list[str] | tuple[()]) -> str:
    async with place.client() as client, PersonClients(place, client, say=screen.say) as persons:
        page = f"/runs/{await resolve.run_id(client, run)}" if run else "/"
        person = await persons.of(name, groups=groups) if name else client
        return await person.login_link(page)


async def dashboard_link(client: Client, screen: Screen, *, page: str = "/") -> str:
    """A link that logs in, for a person at a terminal; the bare address where the output may be kept."""
    return await client.login_link(page) if screen.is_terminal else client.url + page


def open_in_browser(link: str) -> bool:
    """Whether there is a browser with a window here, and it took the link."""
    has_window = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return has_window and sys.stdout.isatty() and webbrowser.open(link)

"""`taskgrove quarantine`: messages that no service could use."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from shared.contracts.views import QuarantinePage
from taskgrove.cli import resolve
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, commands
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import line_of
from taskgrove.client import Client

app = commands("quarantine")

Answer = TypeVar("Answer")
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id as `taskgrove quarantine list` shows it, or a part of it.")]


@app.callback()
def quarantine() -> None:
    """Look at messages that no service could use, replay or discard them. Takes the admin key."""


@app.command("list")
def list_all(*, api: ApiOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List them."""
    screen = Screen(as_json=as_json)
    page = asyncio.run(_page(find_place(api, data)))
    screen.document(page)
    if not page.items:
        screen.say("Nothing is in quarantine.")
        return
    rows = [
        [one.quarantine_id, f"{one.at.astimezone():%m-%d %H:%M:%S}", one.service, one.routing_key, str(one.count), line_of(one.reason, 80)]
        for one in page.items
    ]
    screen.table(("id", "at", "service", "routing key", "count", "reason"), rows)


@app.command()
def show(identifier: IdArgument, *, api: ApiOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show one, with its body."""
    screen = Screen(as_json=as_json)
    found = _with_one(find_place(api, data), identifier, lambda client, name: client.quarantined(name))
    for name, value in found.wire().items():
        screen.say(f"{name:<14} {value}")
    screen.document(found)


@app.command()
def replay(identifier: IdArgument, *, api: ApiOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Put one back where it came from, after the cause was mended."""
    screen = Screen(as_json=as_json)
    _with_one(find_place(api, data), identifier, lambda client, name: client.replay(name))
    screen.say("Replayed.")
    screen.document({"replayed": identifier})


@app.command()
def discard(identifier: IdArgument, *, api: ApiOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Drop one for good."""
    screen = Screen(as_json=as_json)
    _with_one(find_place(api, data), identifier, lambda client, name: client.discard(name))
    screen.say("Discarded.")
    screen.document({"discarded": identifier})


async def _page(place: Place) -> QuarantinePage:
    async with place.client() as client:
        return await client.quarantine()


def _with_one(place: Place, wanted: str, work: Callable[[Client, str], Awaitable[Answer]]) -> Answer:
    async def found() -> Answer:
        async with place.client() as client:
            known = [one.quarantine_id for one in (await client.quarantine()).items]
            return await work(client, resolve.pick(wanted, known, what="message in quarantine", listed="taskgrove quarantine list"))

    return asyncio.run(found())

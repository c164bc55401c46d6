"""`taskgrove quarantine`: messages that no service could use."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from shared.contracts.views import QuarantinePage, QuarantineView
from taskgrove.cli import resolve
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, commands
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import line_of
from taskgrove.client import Client

app = commands("quarantine")

Answer = TypeVar("Answer")
LISTED = "taskgrove quarantine list"
ReplayedOption = Annotated[bool, typer.Option("--replayed", help="Those that were replayed within a week and did not come back.")]
IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id as `taskgrove quarantine list` shows it, or its first or last 4 characters or more.")
]


@app.callback()
def quarantine() -> None:
    """Look at messages that no service could use, replay or discard them. Takes the admin key."""


@app.command("list")
def list_all(*, replayed: ReplayedOption = False, api: ApiOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List them."""
    screen = Screen(as_json=as_json)
    page = asyncio.run(_page(find_place(api, data), replayed=replayed))
    screen.document(page)
    if not page.items:
        screen.say("Nothing was replayed within a week." if replayed else "Nothing is in quarantine.")
        return
    screen.table(("id", "at", "service", "routing key", "count", "replays", "reason"), [_row(one) for one in page.items])


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
    done = _with_one(find_place(api, data), identifier, lambda client, name: client.replay(name))
    screen.say(f"Replayed. It comes back if it still cannot be used: `{LISTED}` shows it then, with its replays counted.")
    screen.document({"replayed": done.quarantine_id})


@app.command()
def discard(identifier: IdArgument, *, api: ApiOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Drop one for good."""
    screen = Screen(as_json=as_json)
    done = _with_one(find_place(api, data), identifier, _discarded)
    screen.say("Discarded.")
    screen.document({"discarded": done})


async def _discarded(client: Client, name: str) -> str:
    await client.discard(name)
    return name


def _row(one: QuarantineView) -> list[str]:
    at = f"{(one.last_at or one.at).astimezone():%m-%d %H:%M:%S}"
    return [one.quarantine_id, at, one.service, one.routing_key, str(one.count), str(one.replays), line_of(one.reason, 80)]


async def _page(place: Place, *, replayed: bool) -> QuarantinePage:
    async with place.client() as client:
        return await client.quarantine(replayed=replayed)


def _with_one(place: Place, wanted: str, work: Callable[[Client, str], Awaitable[Answer]]) -> Answer:
    async def found() -> Answer:
        async with place.client() as client:
            known = [one.quarantine_id for replayed in (False, True) for one in (await client.quarantine(replayed=replayed)).items]
            return await work(client, resolve.pick(wanted, known, what="message in quarantine", listed=LISTED))

    return asyncio.run(found())

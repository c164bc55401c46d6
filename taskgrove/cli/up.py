"""`taskgrove up` and `down`: a Taskgrove on this machine that stays."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import AlreadyRunning, Unavailable
from taskgrove.cli.dashboard import ONCE, OpenOption, dashboard_link, open_in_browser
from taskgrove.cli.options import DataOption, JsonOption, commands
from taskgrove.cli.place import Place, hint_for, local_key
from taskgrove.cli.screen import Screen
from taskgrove.cli.stand import INTERRUPTED, log_plainly
from taskgrove.cli.text import duration, last_lines
from taskgrove.local.home import Home, default_home, prepare
from taskgrove.local.serve import forever, serve
from taskgrove.local.settings import check_settings
from taskgrove.local.state import read_state, stop_running
from taskgrove.local.supervisor import LocalStack

app = commands()

DETACH_SECONDS = 120.0
LOOK_SECONDS = 0.2


@app.command()
def up(
    *,
    data: DataOption = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="Port of API and dashboard.", show_default=False)] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it is up; `taskgrove down` ends it.")] = False,
    in_browser: OpenOption = True,
    as_json: JsonOption = False,
) -> None:
    """Start MongoDB, RabbitMQ and the five services on this machine, and keep them running until Ctrl-C."""
    screen, root = Screen(as_json=as_json), (data or default_home()).absolute()
    if detach:
        try:
            place, seconds = _detached(root, port)
        except KeyboardInterrupt:
            screen.warn(f"Stopped before it was up; the data stay in {root}")
            raise typer.Exit(INTERRUPTED) from None
        asyncio.run(_tell(screen, place, seconds, in_browser=in_browser))
        return
    log_plainly("info" if not as_json else "warning")
    screen.say(f"Starting MongoDB, RabbitMQ and five services; data in {root}")
    asyncio.run(_serve(screen, LocalStack(root, http_port=port), root, in_browser=in_browser))


@app.command()
def down(*, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Stop the Taskgrove that runs on this machine. Its data stay."""
    screen, root = Screen(as_json=as_json), (data or default_home()).absolute()
    began = time.monotonic()
    was_running = stop_running(root)
    screen.say(f"Stopped after {duration(time.monotonic() - began)}; the data stay in {root}" if was_running else f"Nothing runs on {root}")
    screen.document({"stopped": was_running, "data": str(root)})


async def _serve(screen: Screen, stack: LocalStack, root: Path, *, in_browser: bool) -> None:
    began = time.monotonic()

    async def stay(stack: LocalStack) -> None:
        place, seconds = Place(stack.api_url, local_key(stack.home), home=root), time.monotonic() - began
        await _tell(screen, place, seconds, in_browser=in_browser)
        screen.say("Ctrl-C ends it.", style="dim")
        await forever(stack)

    await serve(stack, stay)
    screen.say(f"Stopped; the data stay in {root}")


async def _tell(screen: Screen, place: Place, seconds: float, *, in_browser: bool) -> None:
    hint = hint_for(place.home) if place.home else ""
    screen.say(f"Taskgrove is up after {duration(seconds)}: {place.url}", style="green")
    if screen.is_terminal:
        async with place.client() as client:
            link = await dashboard_link(client, screen)
        screen.say("  dashboard:   is open in your browser" if in_browser and open_in_browser(link) else f"  dashboard:   {link} ({ONCE})")
    screen.say(f"  look at it:  taskgrove open{hint}")
    screen.say(f"  start a run: taskgrove run --notes PATH{hint}")
    screen.say(f"  API key:     in {place.home}/keys.json")
    screen.document({"api": place.url, "data": str(place.home), "keys": f"{place.home}/keys.json", "seconds": round(seconds, 3)})


def _detached(root: Path, port: int | None) -> tuple[Place, float]:
    """Start it in the background; where it is, and after how many seconds it was up. Raises BadInput for a wrong setting."""
    check_settings()
    home, began = prepare(root), time.monotonic()
    if (state := read_state(root)) and state.running:
        who = f"process {state.supervisor.pid}"
        raise AlreadyRunning(f"Taskgrove is already running on {root} ({who}). To end it: taskgrove down{hint_for(root)}")
    command = [sys.executable, "-m", "taskgrove.cli.main", "up", "--data", str(root), *(["--port", str(port)] if port else [])]
    output = home.root / "up.log"
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)  # noqa: S603 (ourselves)
    try:
        return _until_up(home, process, output), time.monotonic() - began
    except BaseException:
        # It has a session of its own, which Ctrl-C does not reach: it would come up all the same, and stay.
        process.terminate()
        process.wait()
        raise


def _until_up(home: Home, process: subprocess.Popen[bytes], output: Path) -> Place:
    deadline = time.monotonic() + DETACH_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable("Taskgrove did not start:\n" + "\n".join(last_lines(output.read_text(errors="replace"), 10)))
        if "Taskgrove is up" in output.read_text(errors="replace") and (state := read_state(home.root)):
            return Place(state.api_url, local_key(home), home=home.root)
        time.sleep(LOOK_SECONDS)
    raise Unavailable(f"Taskgrove was not up after {DETACH_SECONDS:.0f} s; see {output} and {home.root / 'logs'}")

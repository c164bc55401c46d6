"""A person at a terminal: `taskgrove` on a pseudo-terminal, and a browser that only notes what it was given."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.grove import ROOT, Grove, until

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
WINDOWS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


@dataclass
class Terminal:
    """What the person sees, without colours."""

    process: asyncio.subprocess.Process
    screen: bytes = b""
    over: bool = False
    """Nobody writes there any more."""

    @property
    def text(self) -> str:
        """All of it so far."""
        return CONTROLS.sub("", self.screen.decode(errors="replace"))

    async def until_said(self, words: str, *, seconds: float = 120) -> str:
        """All that stands there once these words do, or once the command is over."""

        async def is_so() -> bool:
            return words in self.text or self.over

        await until(is_so, seconds=seconds, what=f"{words!r} in the terminal")
        assert words in self.text, self.text
        return self.text

    async def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            return await self.process.wait()


@asynccontextmanager
async def at_terminal(grove: Grove, *args: str, **env: str) -> AsyncIterator[Terminal]:
    """`taskgrove ARGS` with a terminal for all that it reads and writes; killed at the end if it is not over."""
    ours, its = os.openpty()
    inherited = {name: value for name, value in grove.env.items() if name not in WINDOWS}
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "taskgrove.cli.main", *args),
            env={**inherited, "TERM": "xterm", **env},
            cwd=ROOT,
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
    finally:
        os.close(its)
    terminal = Terminal(process)

    def read() -> None:
        with suppress(OSError):  # Linux says EIO once nobody has the other end open
            terminal.screen += os.read(ours, 65_536)
            return
        terminal.over = True
        loop.remove_reader(ours)

    loop = asyncio.get_running_loop()
    loop.add_reader(ours, read)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        loop.remove_reader(ours)
        os.close(ours)


@dataclass(frozen=True)
class Browser:
    """A program that takes an address, as BROWSER names one, on a machine with a window."""

    env: dict[str, str]
    given: Path

    async def link(self) -> str:
        """What it was opened with."""

        async def there() -> Any:
            return self.given.exists() and self.given.read_text().endswith("\n")

        await until(there, what="a browser")
        return self.given.read_text().rstrip("\n")


def a_browser(directory: Path) -> Browser:
    """It writes down each address that it is to open."""
    program, given = directory / "browser", directory / "given"
    program.write_text(f"#!/bin/sh\necho \"$1\" >> '{given}'\n")
    program.chmod(0o755)
    return Browser({"DISPLAY": ":0", "BROWSER": str(program)}, given)

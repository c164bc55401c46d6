"""A child process that cannot outlive us: a session of its own, its output in a file, and an end in bounded time."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.errors import Unavailable
from taskgrove.local.process_ref import ProcessRef

STOP_SECONDS = 15.0


class Child:
    """One running process. Build it with `Child.spawn`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self.pid = process.pid
        self.ref = ProcessRef.of(process.pid)
        self._process = process

    @classmethod
    async def spawn(cls, name: str, argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> "Child":
        """Start `argv`. Where setpriv exists (Debian: always) the kernel ends the child when we die, even by kill -9."""
        setpriv = shutil.which("setpriv")
        tied = [setpriv, "--pdeathsig", "TERM", "--", *argv] if setpriv else list(argv)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *tied, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=dict(env), start_new_session=True
            )
        return cls(name, process, log)

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """Its exit status, once it has ended; negative for a signal."""
        return await self._process.wait()

    async def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end, wait, then kill whatever is left of its session."""
        if self.running:
            self._process.terminate()
            try:
                async with asyncio.timeout(seconds):
                    await self._process.wait()
            except TimeoutError:
                kill_group(self.pid)
                await self._process.wait()
        kill_group(self.pid)

    def failure(self, hint: str) -> Unavailable:
        """What to raise when it did not come up: the last lines that it wrote, and where the rest is."""
        state = "is still running" if self.running else f"ended with status {self._process.returncode}"
        return Unavailable(f"{self.name} did not become ready and {state}. {hint}\nIts last lines, from {self.log}:\n{tail(self.log)}")


def kill_group(pid: int) -> None:
    """End every process of the group led by `pid`; nothing happens if there is none."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def tail(log: Path, *, lines: int = 12) -> str:
    """The last lines of a log, indented."""
    try:
        text = log.read_bytes()[-8192:].decode(errors="replace")
    except OSError as error:
        return f"  (not readable: {error})"
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])

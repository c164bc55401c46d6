"""One way to run a program that we did not write: bounded, stripped of our environment, and gone when it is over."""

import asyncio
import os
import resource
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import structlog

from shared.errors import BadInput, MissingPart, SandboxFailed, Unavailable
from shared.removal import remove_tree
from shared.sandbox import bubblewrap
from shared.sandbox.capture import Capture
from shared.sandbox.control import ProcessControl
from shared.sandbox.family import MARK, Family
from shared.sandbox.pipe import Pipe
from shared.sandbox.status import Status
from shared.sandbox.values import Finished, Level, Limits

GRACE = 2.0
DRAIN = 1.0
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")


class Sandbox:
    """Runs programs. Level "bubblewrap" has a file system, processes and network of its own.

    Level "process" has limits, an own session and a clean environment, and NO walls: a program there reads and writes what this
    user can, reaches the network, and a daemon that leaves the session with an empty environment outlives it.
    """

    def __init__(self, level: Level, *, hidden: Sequence[Path] = (), network: bool = False, nesting: Sequence[str] = ()) -> None:
        self.level = level
        self._hidden = tuple(hidden)
        self._network = network
        self._nesting = tuple(nesting)
        self._bwrap = shutil.which("bwrap") or "bwrap"
        self._launcher = _launcher()

    @property
    def has_walls(self) -> bool:
        """Whether what runs here is kept from what this user can read and reach."""
        return self.level != "process"

    @classmethod
    async def probe(cls, require: str | None = None, *, hidden: Sequence[Path] = (), network: bool = False) -> Self:
        """The strongest sandbox that works here. Raises MissingPart when that is less than the level `require`."""
        if require not in (None, "bubblewrap", "process"):
            raise BadInput(f"{require!r} is not a level of the sandbox; there are: bubblewrap, process")
        if require == "process":
            return cls("process", hidden=hidden, network=network)
        nesting, why = await _try_bubblewrap(hidden)
        if nesting is not None:
            return cls("bubblewrap", hidden=hidden, network=network, nesting=nesting)
        if require == "bubblewrap":
            raise MissingPart(
                f"the sandbox level bubblewrap is required and does not work here: {why}. Install it (apt-get install bubblewrap) and "
                "allow user namespaces, or require the level process, which limits programs but hides nothing from them"
            )
        structlog.get_logger(__name__).warning("sandbox.fell_back", level="process", why=why)
        return cls("process", hidden=hidden, network=network)

    async def run(
        self,
        argv: Sequence[str],
        *,
        directory: Path,
        env: Mapping[str, str],
        limits: Limits,
        on_line: Callable[[str], None] | None = None,
        readable: Sequence[Path] = (),
        shown: Sequence[Path] = (),
        network: bool = False,
        control: ProcessControl | None = None,
    ) -> Finished:
        """Run `argv` in `directory` to its end, or for `limits.seconds` at most; nothing of it runs on when this returns or is cancelled.

        `env` is added to an environment that holds nothing of ours. `on_line` is called on the event loop and must not block or raise.
        `readable` is seen in spite of what is hidden; `shown` only in spite of an own /tmp.
        Raises SandboxFailed when the sandbox itself could not be set up, Unavailable where there is no room.
        """
        started = time.monotonic()
        output = Capture(limits.output_bytes, on_line)
        mark = secrets.token_hex(8)
        with Status() as status:
            async with _scratch(directory) as scratch:
                view = self._view(directory, scratch, readable=readable, shown=shown, network=network)
                wrapped = [*self._wrap(view, limits, status), *argv]
                environment = {**self._environment(view), **env, MARK: mark}
                async with self._started(wrapped, view, environment, output=output, mark=mark, status=status) as (process, family):
                    timed_out = await _wait(process, family, seconds=limits.seconds, control=control or ProcessControl())
            self._refuse_not_begun(process, output, status, timed_out=timed_out)
        return self._finished(process, output, timed_out=timed_out, seconds=time.monotonic() - started)

    @asynccontextmanager
    async def _started(
        self, argv: Sequence[str], view: bubblewrap.View, environment: Mapping[str, str], *, output: Capture, mark: str, status: Status
    ) -> AsyncIterator[tuple[asyncio.subprocess.Process, Family]]:
        """The process, its output being read; on leaving, all of its family has ended and all of its output is in."""
        with Pipe() as pipe:
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    cwd=view.directory,
                    env=environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=pipe.write_end,
                    stderr=pipe.write_end,
                    start_new_session=True,
                    pass_fds=[status.write_end] if self.level == "bubblewrap" else [],
                )
            except OSError as error:
                raise SandboxFailed(f"no process could be started in {view.directory}: {error}; check the disk and the limits") from error
            finally:
                os.close(pipe.write_end)
            reading = asyncio.create_task(output.read(pipe))
            family = Family(process.pid, mark, wrapped=self.level == "bubblewrap")
            try:
                yield process, family
            finally:
                await _end(process, family, reading)

    def _view(self, directory: Path, scratch: Path, *, readable: Sequence[Path], shown: Sequence[Path], network: bool) -> bubblewrap.View:
        """Resolved, because bubblewrap would follow a symbolic link on the inside."""
        seen = [path.resolve() for path in readable]
        return bubblewrap.View(directory.resolve(), scratch.resolve(), seen, self._hidden, tuple(shown), network or self._network)

    def _wrap(self, view: bubblewrap.View, limits: Limits, status: Status) -> list[str]:
        if self.level == "process":
            return [*self._launcher, *_prlimit(limits, processes=None)]
        processes = None if os.geteuid() == 0 else limits.processes
        wrapped = bubblewrap.command(self._bwrap, view, nesting=self._nesting, status=status.write_end)
        return [*wrapped, *_prlimit(limits, processes=processes)]

    def _environment(self, view: bubblewrap.View) -> dict[str, str]:
        python = str(Path(sys.executable).parent)
        search = os.environ.get("PATH", os.defpath).split(os.pathsep)
        certificates = {name: os.environ[name] for name in CERTIFICATES if name in os.environ}
        return {
            "PATH": os.pathsep.join(dict.fromkeys((*search, python))),
            "HOME": str(view.directory),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "TMPDIR": str(view.scratch) if self.level == "process" else "/tmp",  # noqa: S108 (its own, mounted there)
            **certificates,
        }

    def _refuse_not_begun(self, process: asyncio.subprocess.Process, output: Capture, status: Status, *, timed_out: bool) -> None:
        if self.level == "bubblewrap" and process.returncode == 1 and not timed_out and not status.began():
            raise SandboxFailed(f"the sandbox could not be set up: {output.text().strip()[:500]}")

    def _finished(self, process: asyncio.subprocess.Process, output: Capture, *, timed_out: bool, seconds: float) -> Finished:
        code, text = process.returncode, output.text()
        killed = -code if code is not None and code < 0 else None
        return Finished(
            exit_code=None if killed or timed_out else code,
            signal=killed,
            timed_out=timed_out,
            output=text,
            seconds=round(seconds, 3),
            truncated=output.truncated,
            level=self.level,
        )


async def _try_bubblewrap(hidden: Sequence[Path]) -> tuple[Sequence[str] | None, str]:
    program = shutil.which("bwrap")
    if not program:
        return None, "the program bwrap is not installed"
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as scratch:
        try:
            return await bubblewrap.probe(program, bubblewrap.View(Path(directory), Path(scratch), hidden=hidden))
        except TimeoutError:
            return None, f"bwrap did not come back within {bubblewrap.PROBE_SECONDS} s"


def _launcher() -> list[str]:
    """For level "process": no setuid program gains rights, and the program ends with us."""
    missing = [name for name in ("setpriv", "prlimit") if not shutil.which(name)]
    if missing:
        raise MissingPart(f"{' and '.join(missing)} not found on PATH; install util-linux (apt-get install util-linux)")
    return ["setpriv", "--no-new-privs", "--pdeathsig", "KILL", "--"]


def _prlimit(limits: Limits, *, processes: int | None) -> list[str]:
    """Memory is RLIMIT_DATA, which counts what is written to: RLIMIT_AS stops programs that only reserve, such as node and java."""
    wanted = [("data", resource.RLIMIT_DATA, limits.memory_bytes), ("fsize", resource.RLIMIT_FSIZE, limits.file_bytes)]
    wanted += [("nofile", resource.RLIMIT_NOFILE, limits.open_files), ("core", resource.RLIMIT_CORE, 0)]
    if processes is not None:
        wanted.append(("nproc", resource.RLIMIT_NPROC, processes))
    return ["prlimit", *(f"--{name}={_within_hard(kind, value)}" for name, kind, value in wanted), "--"]


def _within_hard(kind: int, value: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


async def _wait(process: asyncio.subprocess.Process, family: Family, *, seconds: float, control: ProcessControl) -> bool:
    """Whether the time ran out before the process ended."""
    try:
        async with asyncio.timeout(seconds) as clock:
            with control.over(family, clock):
                await process.wait()
    except TimeoutError:
        return True
    return False


async def _end(process: asyncio.subprocess.Process, family: Family, reading: asyncio.Task[None]) -> None:
    """Ask, wait, kill; then take what is left of the output. Kills without waiting when it is itself cancelled."""
    try:
        if process.returncode is None:
            family.ask_to_end()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), GRACE)
    finally:
        if process.returncode is None:
            family.kill()
        await asyncio.shield(asyncio.gather(process.wait(), asyncio.to_thread(family.kill_stragglers)))
        await asyncio.wait({reading}, timeout=DRAIN)
        reading.cancel()


@asynccontextmanager
async def _scratch(directory: Path) -> AsyncIterator[Path]:
    """A directory for temporary files: beside the one to work in, so that it fills the same disk, and gone afterwards."""
    try:
        path = tempfile.mkdtemp(dir=directory.parent, prefix=f"{directory.name}.tmp-")
    except OSError as error:
        raise Unavailable(f"no room for temporary files in {directory.parent}: {error}; make some, the work is tried again") from error
    try:
        yield Path(path)
    finally:
        await asyncio.shield(asyncio.to_thread(remove_tree, Path(path)))

"""Servers and workers that a peer's program starts for itself: on loopback, in a directory that goes, ended with the program.

Runs in the peer's own environment: the standard library, and what of ours needs no more than that.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from taskgrove.local.ports import assign

READY_SECONDS = 240.0
STOP_SECONDS = 10.0
TAIL_BYTES = 2_000
NOT_ON_PATH = {"postgres": "usr/lib/postgresql/*/bin/postgres"}
"""Where Debian has a program that it does not put on PATH."""


def find(program: str) -> Path | None:
    """Where it is: on PATH, else where Debian has it, the newest first."""
    if on_path := shutil.which(program):
        return Path(on_path).resolve()
    pattern = NOT_ON_PATH.get(program)
    found = sorted(Path("/").glob(pattern), key=lambda path: path.stat().st_mtime) if pattern else []
    return found[-1] if found else None


def free_port() -> int:
    """A port of loopback that nobody listens on right now; outgoing connections, and servers that take any port, stay clear of it."""
    return assign(["peer"], kept={})["peer"]


def listens(port: int) -> bool:
    """Whether something takes connections on that port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    log: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
    user: str | None = None,
) -> Iterator[None]:
    """`argv` as a process, from when it is `ready` until the block ends; `user`: as whom, for root.

    Where setpriv exists (Debian: always) the kernel ends it when this program is killed. When the block fails, its last words are shown.
    """
    setpriv = shutil.which("setpriv")
    tied = [setpriv, "--pdeathsig", stop.name.removeprefix("SIG"), "--", *argv] if setpriv else argv
    with log.open("ab") as output:
        process = subprocess.Popen(
            tied, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **(env or {})}, **identity(user)
        )
    try:
        _wait(process, ready=ready)
        yield
    except BaseException:
        print(f"the last words of {' '.join(map(str, argv))}:\n{log.read_bytes()[-TAIL_BYTES:].decode(errors='replace')}", file=sys.stderr)
        raise
    finally:
        _end(process, stop)


def identity(user: str | None) -> dict[str, Any]:
    """What tells subprocess to run something as `user`; nothing of the kind without one."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _wait(process: subprocess.Popen[bytes], *, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + READY_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            sys.exit(f"{process.args!r} did not become ready")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    process.send_signal(stop)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

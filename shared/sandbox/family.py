"""A started process with everything it started: who belongs to it, and how to signal, freeze and end them all."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "TASKGROVE_SANDBOX"
PASSES = 5  # a process may fork between the look and the signal, so look again


class Family:
    """`leader` leads a session of its own; `mark` is in the environment of all that descend from it.

    With `wrapped`, the leader is bubblewrap: when it dies the kernel ends all the rest, so it is asked last.
    """

    def __init__(self, leader: int, mark: str, *, wrapped: bool) -> None:
        self._leader = leader
        self._mark = f"{MARK}={mark}".encode()
        self._wrapped = wrapped

    def ask_to_end(self) -> None:
        """SIGTERM, and SIGCONT for those that were paused."""
        for pid in _session(self._leader):
            if not (self._wrapped and pid == self._leader):
                _signal(pid, signal.SIGTERM)
        self.resume()

    def kill(self) -> None:
        """SIGKILL to all; while the leader has not been waited for, so that its number is still its own."""
        _signal_group(self._leader, signal.SIGKILL)
        self.kill_stragglers()

    def kill_stragglers(self) -> None:
        """SIGKILL to what outlived the leader: its group, its session, and daemons that left both but kept the environment."""
        if not Path(f"/proc/{self._leader}").exists():  # else the number is taken by a stranger: its group is empty
            _signal_group(self._leader, signal.SIGKILL)
        for _ in range(PASSES):
            left = [] if self._wrapped else [*_session(self._leader), *_marked(self._mark)]
            for pid in left:
                _signal(pid, signal.SIGKILL)
            if not left:
                return

    def pause(self) -> None:
        """SIGSTOP to all, those that are born meanwhile too."""
        _signal_group(self._leader, signal.SIGSTOP)
        for _ in range(PASSES):
            running = [pid for pid, state in _states(self._leader) if state not in "TtZ"]
            for pid in running:
                _signal(pid, signal.SIGSTOP)
            if not running:
                return

    def resume(self) -> None:
        """SIGCONT to all."""
        for pid in _session(self._leader):
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _session(session: int) -> list[int]:
    return [pid for pid, state in _states(session) if state != "Z"]


def _states(session: int) -> Iterator[tuple[int, str]]:
    """The processes of a session with their state, as in proc(5): fields 3 and 6 of /proc/PID/stat."""
    for pid in _pids():
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if fields and int(fields[3]) == session:
            yield pid, fields[0].decode()


def _marked(mark: bytes) -> list[int]:
    return [pid for pid in _pids() if mark in _read(f"/proc/{pid}/environ")]


def _pids() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""

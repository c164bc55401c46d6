"""Names a process for sure, also after the system clock was set: by pid, and by when it was born in ticks since this boot."""

from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TICKS = 19
"""Field 22 of /proc/PID/stat, counted from the first one behind the program's name."""


class ProcessRef(BaseModel):
    """A process for sure: pids are used again, a pid with its birth is not."""

    pid: int
    born: float
    """By the system clock, in seconds; judges where there is no `birth`: without /proc, and in what older versions wrote."""
    birth: str = ""
    """Boot and ticks since then, which no step of the system clock moves."""
    restarts: int = 0

    @classmethod
    def of(cls, pid: int) -> Self:
        """The process that has this pid now; if there is none, one that never runs."""
        try:
            return cls(pid=pid, born=psutil.Process(pid).create_time(), birth=_birth(pid))
        except psutil.NoSuchProcess:
            return cls(pid=pid, born=0.0)

    def process(self) -> psutil.Process | None:
        """The process if it still runs, and is the one that was meant."""
        try:
            process = psutil.Process(self.pid)
            return process if self._meant(process) and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None

    def _meant(self, process: psutil.Process) -> bool:
        if self.birth:
            return _birth(self.pid) == self.birth
        return abs(process.create_time() - self.born) < 1.0


def _birth(pid: int) -> str:
    """Empty where /proc does not tell."""
    try:
        boot, stat = BOOT_ID.read_text(encoding="ascii").strip(), Path(f"/proc/{pid}/stat").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    # A program's name is in brackets and may hold anything, brackets and blanks too.
    return f"{boot} {stat.rpartition(')')[2].split()[TICKS]}"

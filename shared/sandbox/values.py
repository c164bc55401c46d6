"""What a run in the sandbox may use, and what came of it."""

import signal
from dataclasses import dataclass
from typing import Literal

Level = Literal["bubblewrap", "process"]

KIB, MIB, GIB = 2**10, 2**20, 2**30
SIGNALLED = 128  # a shell, and bubblewrap, report "killed by signal n" as 128 + n

LIKELY: dict[int, str] = {
    signal.SIGXFSZ: " (a file grew past the limit on its size)",
    signal.SIGKILL: " (by the machine, when its memory is used up)",
    signal.SIGSEGV: " (often: the limit on memory)",
}


@dataclass(frozen=True)
class Limits:
    """Bounds of one run. Memory, file size and open files are per process: a tree of processes can use a multiple.

    `processes` holds only for level "bubblewrap" as another user than root: elsewhere the kernel counts every process of the user.
    """

    seconds: float
    memory_bytes: int = 4 * GIB
    file_bytes: int = GIB
    processes: int = 512
    open_files: int = 1024
    output_bytes: int = MIB


@dataclass(frozen=True)
class Finished:
    """How a run ended. `output` is stdout and stderr as they came, its middle left out when there was more than the limit."""

    exit_code: int | None
    signal: int | None
    timed_out: bool
    output: str
    seconds: float
    truncated: bool
    level: Level

    @property
    def ok(self) -> bool:
        """It ended by itself, with exit status 0."""
        return self.exit_code == 0 and not self.timed_out

    def how(self) -> str:
        """How it ended, for people: `exit status 3`, `killed by SIGKILL`."""
        if self.timed_out:
            return f"stopped after {self.seconds:.1f} s"
        number = self.signal or (self.exit_code or 0) - SIGNALLED
        if number not in set(signal.Signals):
            return f"exit status {self.exit_code}"
        return f"killed by {signal.Signals(number).name}{LIKELY.get(number, '')}"

    def last_lines(self, count: int = 20, *, most: int = 3_000) -> str:
        """The end of the output, for a message."""
        return "\n".join(self.output.rstrip()[-2 * most :].splitlines()[-count:])[-most:]

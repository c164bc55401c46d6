"""The ledger of effects: a file outside of the store, one line an effect, written by the work itself and by nothing of ours."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """\
attempt=$(basename "$(dirname "$PWD")")
printf '%s %s %s\\n' "$attempt" "$$" "$(date +%s.%N)" >> "$TASKGROVE_INPUT_LEDGER"
"""
"""What a shell task does to write its line: its directory bears the attempt's id."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect on the world: by which attempt, in which process, when (seconds since 1970)."""

    attempt_id: str
    pid: int
    at: float


class Ledger:
    """The file. A line is one write to a file opened for appending, so lines of different processes never mix."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def effects(self) -> list[Effect]:
        """All that happened, in the order in which it happened."""
        return [_effect(line) for line in self.path.read_text(encoding="utf-8").splitlines()]


def note(path: str, attempt_id: str) -> None:
    """Have the effect."""
    line = f"{attempt_id} {os.getpid()} {time.time():.6f}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _effect(line: str) -> Effect:
    attempt, pid, at = line.split()
    task, mark, epoch = attempt.rpartition("_")
    return Effect(f"{task}:{epoch}" if mark and ":" not in attempt else attempt, int(pid), float(at))

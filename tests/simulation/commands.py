"""The simulation as a program: it needs a hash seed and an event loop of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def simulate(*arguments: str, seconds: float = 600) -> "subprocess.CompletedProcess[str]":
    """Run `python -m tests.simulation` to its end."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=seconds, check=False)


def environment() -> dict[str, str]:
    """The one of this process, without what would tell the services, or the order of sets, something else each time."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TASKGROVE_", "PYTHONHASHSEED"))}

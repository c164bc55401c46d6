"""How long a person waits for `taskgrove --help`: cold processes, beside a Python that does nothing."""

import asyncio
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from shared.errors import TaskgroveError

MOST_MILLISECONDS = Bar(250)


async def measure(_bench: Bench, sizes: Sizes) -> Readings:
    """Milliseconds, the median of some processes of each kind in turn."""
    program = Path(sys.executable).with_name("taskgrove")
    if not program.exists():
        raise TaskgroveError(f"there is no {program.name} beside this Python; run `make install`")
    helped, nothing = list[float](), list[float]()
    for _ in range(sizes.commands):
        helped.append(await _milliseconds(str(program), "--help", says="Usage"))
        nothing.append(await _milliseconds(sys.executable, "-c", "pass"))
    return {"help": median(helped), "python": median(nothing)}


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """Both."""
    own = taken["cli"]
    return [
        Figure(f"taskgrove --help, median of {sizes.commands} cold processes", "ms", own["help"], MOST_MILLISECONDS),
        Figure("python -c pass, beside it", "ms", own["python"]),
    ]


def plot(taken: Taken, _sizes: Sizes) -> Bars:
    """Both."""
    own = taken["cli"]
    rows = (Row("taskgrove --help", own["help"], MOST_MILLISECONDS), Row("python -c pass", own["python"], ours=False))
    return Bars("Starting the command line", "milliseconds a process", rows)


async def _milliseconds(*argv: str, says: str = "") -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate()
    took = (time.perf_counter() - began) * 1e3
    if process.returncode or says not in said.decode():
        raise TaskgroveError(f"{' '.join(argv)} ended with {process.returncode} and said: {said.decode()[-500:]}")
    return took


QUESTION = Question(
    "cli",
    "Command line: how long a person waits for help",
    """`taskgrove --help` as a process of its own, {commands} times a round, in turn with `python -c pass`, which is what starting
Python costs by itself.""",
    measure,
    figures,
    plot,
    side_by_side=True,
)

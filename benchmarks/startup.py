"""How long the five services take from the first spawn until all of them say that they are ready."""

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench

MOST_SECONDS = Bar(3)


async def measure(bench: Bench, _sizes: Sizes) -> Readings:
    """Seconds, with broker and store already up: the stack has measured it itself."""
    return {"seconds": bench.stack.start_seconds}


def figures(taken: Taken, _sizes: Sizes) -> list[Figure]:
    """One."""
    return [Figure("start of all five services", "s", taken["start"]["seconds"], MOST_SECONDS)]


def plot(taken: Taken, _sizes: Sizes) -> Bars:
    """One."""
    return Bars("Starting the five services", "seconds until all are ready", (Row("all five", taken["start"]["seconds"], MOST_SECONDS),))


QUESTION = Question(
    "start",
    "Start: until all five services are ready",
    "From the first spawn until `/readyz` of all five services answers 200; broker and store are up by then.",
    measure,
    figures,
    plot,
    fresh=True,
)

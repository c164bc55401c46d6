"""Other systems at the same work, in the same rounds as fan and chain: those whose environments are installed."""

from benchmarks.figures import Figure, Readings, Taken
from benchmarks.plot import Bars, Row
from benchmarks.question import Question, Skipped
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench


async def measure(_bench: Bench, _sizes: Sizes) -> Readings:
    """Tasks a second of a fan and milliseconds a link of a chain, by peer."""
    raise Skipped("no other system is installed")


def figures(taken: Taken, _sizes: Sizes) -> list[Figure]:
    """By peer."""
    units = {"fan": "tasks/s", "chain": "ms a link"}
    return [Figure(name, units[name.rpartition(" ")[2]], samples) for name, samples in taken["peers"].items()]


def plot(taken: Taken, _sizes: Sizes) -> Bars:
    """Their fans; the chains are in the plot of ours."""
    fans = {name: samples for name, samples in taken["peers"].items() if name.endswith(" fan")}
    rows = tuple(Row(name.removesuffix(" fan"), samples, ours=False) for name, samples in fans.items())
    return Bars("Other systems", "tasks a second, more is better", rows)


QUESTION = Question(
    "peers",
    "Peers: other systems at the same work",
    "A fan and a chain of other systems.",
    measure,
    figures,
    plot,
    side_by_side=True,
)

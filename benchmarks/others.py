"""Other systems at the same work, in the same rounds as fan and chain: those whose environments are installed."""

from benchmarks.figures import Figure, Readings, Taken, complete
from benchmarks.peers.run import PEERS, installed, lacking
from benchmarks.peers.run import measure as measure_peer
from benchmarks.plot import Bars, Row
from benchmarks.question import Question, Skipped
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from shared.errors import TaskgroveError

SECONDS = 900.0
UNITS = {"fan": "tasks/s", "chain": "ms a link"}


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Tasks a second of a fan and milliseconds a link of a chain, one peer after the other, on the broker and the store of this round."""
    readings: dict[str, float] = {}
    for name in _there():
        try:
            found = await measure_peer(
                name,
                fan=sizes.peer_tasks,
                chain=sizes.peer_links,
                broker_url=bench.broker_url,
                store_url=bench.store_url,
                timeout=SECONDS,
            )
        except TaskgroveError as error:
            print(f"  {name}: no figure: {error}", flush=True)
        else:
            readings |= {f"{name} fan": found.tasks_per_second, f"{name} chain": found.ms_per_link}
    return readings


def figures(taken: Taken, _sizes: Sizes) -> list[Figure]:
    """By peer; how ours compares is with fan and chain."""
    return [Figure(name, UNITS[name.rpartition(" ")[2]], samples) for name, samples in complete(taken["peers"]).items()]


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """Their fans; the chains are in the plot of ours."""
    fans = {name: samples for name, samples in complete(taken["peers"]).items() if name.endswith(" fan")}
    rows = tuple(Row(name.removesuffix(" fan"), samples, ours=False) for name, samples in fans.items())
    return Bars(f"Other systems: {sizes.peer_tasks} no-op tasks, fanned out and joined", "tasks a second, more is better", rows)


def _there() -> list[str]:
    """Those that can be measured. Raises Skipped where that is none."""
    for name in PEERS:
        if missing := lacking(name):
            print(f"  {name} is not installed: {missing}", flush=True)
    if found := [name for name in PEERS if installed(name)]:
        return found
    raise Skipped("no other system is installed; get them with: python -m benchmarks.peers install")


QUESTION = Question(
    "peers",
    "Peers: other systems at the same work",
    """A fan of {peer_tasks} no-op tasks and a chain of {peer_links} of each system that is installed (`python -m benchmarks.peers
install`), in the same rounds, on the same RabbitMQ and MongoDB where a system uses them, with the servers that it brings where it does
not. Each is warm, and each has to give the right answer in the end. How each is set up, and what of it survives which crash, stands in
`benchmarks/peers/NAME.py`; not all of them write down as much as a task here does.

"""
    + "\n".join(f"- *{name}*: {peer.what}." for name, peer in PEERS.items()),
    measure,
    figures,
    plot,
    side_by_side=True,
)

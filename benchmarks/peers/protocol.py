"""What every peer's program is asked and answers; runs in the peer's own environment, so the standard library alone.

A fan's answer is how many different results its join was given, a chain's how often its number was raised: an answer that is
short of what was asked means that work was lost or done wrongly, and there is no figure.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from types import FrameType

WARM_FAN, WARM_CHAIN = 100, 10
TERMINATED = 128 + signal.SIGTERM

Work = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Asked:
    """How much to measure, and where broker and store listen, for those peers that need them."""

    fan: int
    chain: int
    broker_url: str
    store_url: str


@dataclass(frozen=True, slots=True)
class About:
    """What is said of a peer beside its figures. `durable`: what survives which crash, in one sentence."""

    peer: str
    distribution: str
    durable: str
    settings: dict[str, object]


def asked(description: str | None) -> Asked:
    """Read the command line. From here on SIGTERM ends the program in order, with all that it started."""
    signal.signal(signal.SIGTERM, _leave)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--fan", type=int, required=True, metavar="N", help="tasks fanned out and joined by one more")
    parser.add_argument("--chain", type=int, required=True, metavar="M", help="tasks one after the other")
    parser.add_argument("--broker-url", default="", help="amqp://…, for a peer that uses RabbitMQ")
    parser.add_argument("--store-url", default="", help="mongodb://…, for a peer that uses MongoDB")
    given = parser.parse_args()
    return Asked(given.fan, given.chain, given.broker_url, given.store_url)


def measure(about: About, asked: Asked, *, fan: Work, chain: Work) -> None:
    """Time one chain and one fan, each after a smaller one that warms up, and print both as one line of JSON.

    The chain comes first: a peer that records a fan in the background would still be at that while it walks the chain.
    """
    _seconds(chain, min(asked.chain, WARM_CHAIN))
    chained = _seconds(chain, asked.chain)
    _seconds(fan, min(asked.fan, WARM_FAN))
    fanned = _seconds(fan, asked.fan)
    line = {
        "peer": about.peer,
        "version": version(about.distribution),
        "fan": {"tasks": asked.fan, "seconds": round(fanned, 4), "tasks_per_second": round(asked.fan / fanned, 2)},
        "chain": {"links": asked.chain, "seconds": round(chained, 4), "ms_per_link": round(1e3 * chained / asked.chain, 3)},
        "durable": about.durable,
        "settings": about.settings,
    }
    print(json.dumps(line), flush=True)


def _seconds(work: Work, count: int) -> float:
    began = time.perf_counter()
    answer = work(count)
    seconds = time.perf_counter() - began
    if answer != count:
        sys.exit(f"asked for {count} and got {answer}: something was lost, so the time means nothing")
    return seconds


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)

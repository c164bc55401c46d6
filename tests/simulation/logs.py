"""What the services log: nothing is written, and what they log as an error is a finding."""

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from tests.simulation.loop import host

EXPECTED = frozenset({"message.quarantined"})
TOO_EARLY = "this attempt came too early and will be refused"
"""What an attempt says that has begun although its task's dependencies are done again by now: its epoch is over, and nobody hears it."""


def quiet() -> None:
    """From now on errors alone are taken in, each by the world of the process that logs it."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, _take],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=True,
    )
    logging.getLogger().setLevel(logging.CRITICAL)


def aloud(tell: Callable[[str], None]) -> None:
    """As `quiet`, but everything is told as well: for the replay of one schedule."""

    def say(_logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        tell(f"{getattr(host.get(), 'name', ''):<16} {name} " + " ".join(f"{key}={value}" for key, value in line.items()))
        return line

    structlog.configure(
        processors=[structlog.processors.format_exc_info, say, _take],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )


def _take(_logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    process: Any = host.get()
    if name == "error" and line["event"] not in EXPECTED and hasattr(process, "world"):
        told = str(line.get("exception") or line.get("error") or "").strip().splitlines()
        if not told or TOO_EARLY not in told[-1]:
            process.world.complain(f"{line['event']}: {' | '.join(told[-3:])}")
    raise structlog.DropEvent

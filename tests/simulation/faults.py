"""What goes wrong, when, and how often: drawn from the seed, counted, and each one switched off by its number to shrink a failure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

Sweep = Literal["on", "off"]

AT_READS = ("crash before", "crash after", "not done", "hung", "slow")
AT_WRITES = ("crash before", "crash after", "not done", "hung", "done but unknown", "torn", "slow")
AT_MESSAGES = ("dropped", "duplicated", "delayed")
IN_TIME = (
    "crash", "pause", "terminate", "store away", "broker away", "broker wiped", "connection lost", "all of a service", "clock jump",
    "all stand still", "cut off",
)  # fmt: skip
NEEDS_SWEEP = frozenset(
    {
        "torn", "dropped", "pause", "store away", "broker away", "broker wiped", "all of a service",
        "terminate", "hung", "all stand still", "cut off",
    }
)  # fmt: skip
"""Off: what is lost then is found by a sweep alone."""

CRASHABLE = frozenset({"sequencer"})
"""With the sweep off only this service crashes, or finds a part away: all that it says is said before the message is acked that made it."""
ANYWHERE = frozenset({"slow"})
"""With the sweep off, what may go wrong with an operation of any service."""


@dataclass
class Faults:
    """The faults of one schedule. `keep` names those that happen, by number; None: all."""

    random: Random
    sweep: Sweep
    keep: frozenset[int] | None = None
    fired: list[tuple[int, float, str, str]] = field(default_factory=list)
    over: bool = False
    mute: str = ""
    _numbers: int = 0

    def __post_init__(self) -> None:
        draw = self.random
        self.seconds = draw.choice((2.0, 6.0, 20.0))
        self.rate = draw.choice((0.0, 0.003, 0.01, 0.03))
        self.message_rate = draw.choice((0.0, 0.02, 0.1, 0.3))
        share = draw.choice((0.3, 0.6, 1.0))
        kinds = dict.fromkeys((*AT_READS, *AT_WRITES, *AT_MESSAGES, *IN_TIME))
        self.kinds = {kind for kind in kinds if draw.random() < share and (self.sweep == "on" or kind not in NEEDS_SWEEP)}
        self.at_reads = tuple(kind for kind in AT_READS if kind in self.kinds)
        self.at_writes = tuple(kind for kind in AT_WRITES if kind in self.kinds)
        self.at_messages = tuple(kind for kind in AT_MESSAGES if kind in self.kinds)
        in_time = [kind for kind in IN_TIME if kind in self.kinds]
        times = draw.choice((0, 1, 3, 6)) if in_time else 0
        self.in_time = sorted((draw.uniform(0.0, self.seconds), draw.choice(in_time)) for _ in range(times))

    def at_io(self, *, writes: bool, service: str, where: str, now: float) -> str | None:
        """What goes wrong with this operation of a service, if anything."""
        if self.over or self.random.random() >= self.rate:
            return None
        return self._one_of(self.at_writes if writes else self.at_reads, service, where=where, now=now)

    def at_message(self, where: str, now: float) -> str | None:
        """What goes wrong with this message on its way, if anything."""
        if where == self.mute:
            return "dropped"
        if self.over or self.random.random() >= self.message_rate:
            return None
        return self._one_of(self.at_messages, "", where=where, now=now)

    def happens(self, kind: str, where: str, now: float) -> bool:
        """Whether this one happens, or was switched off; numbered and noted."""
        number, self._numbers = self._numbers, self._numbers + 1
        if self.keep is not None and number not in self.keep:
            return False
        self.fired.append((number, now, kind, where))
        return True

    def _one_of(self, kinds: tuple[str, ...], service: str, *, where: str, now: float) -> str | None:
        if not kinds:
            return None
        kind = kinds[int(self.random.random() * len(kinds))]
        if self.sweep == "off" and service and kind not in ANYWHERE and service not in CRASHABLE:
            return None
        return kind if self.happens(kind, where, now) else None

    def numbers(self) -> Iterable[int]:
        """Of all that happened."""
        return [number for number, _, _, _ in self.fired]

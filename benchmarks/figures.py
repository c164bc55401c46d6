"""A figure: what was measured, how often, and the bar that it should meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Readings = Mapping[str, float]
"""What one round of one question gave, by name."""
Taken = Mapping[str, Mapping[str, tuple[float, ...]]]
"""The readings of all rounds, by question and name, in the order in which they were taken."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure should be: at least, or at most, `limit`."""

    limit: float
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        """Whether `value` is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {number(self.limit)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. `samples` are the rounds, in the order in which they were taken; their median is the value."""

    name: str
    unit: str
    samples: tuple[float, ...]
    bar: Bar | None = None

    @property
    def value(self) -> float:
        return median(self.samples)

    @property
    def missed(self) -> bool:
        """Whether there is a bar, and it is not met."""
        return self.bar is not None and not self.bar.met_by(self.value)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that `share` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * round(share * 1_000) // 1_000))
    return ordered[rank - 1]


def ratios(these: Sequence[float], those: Sequence[float]) -> tuple[float, ...]:
    """`these` over `those`, round by round: both were taken in the same minute, so the ratio holds where neither of them does."""
    return tuple(this / that for this, that in zip(these, those, strict=False))


def complete(readings: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
    """Those that every round gave: where one is missing, the others can no longer be told to the rounds that they belong to."""
    rounds = max(map(len, readings.values()), default=0)
    return {name: samples for name, samples in readings.items() if len(samples) == rounds}


def number(value: float) -> str:
    """As many digits as say something."""
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"

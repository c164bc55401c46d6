"""A figure: what was measured, how often, and the bar that it should meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure should be: at least, or at most, `limit`."""

    limit: float
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        """Whether `value` is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. `samples` are the rounds, in the order in which they were taken; their median is the value."""

    name: str
    unit: str
    samples: tuple[float, ...]
    bar: Bar | None = None
    floor: float | None = None

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

"""A question that is measured: what it asks, how it is taken, and how its figures are made of that."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.figures import Figure, Readings, Taken
from benchmarks.plot import Plot
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench


class Skipped(Exception):
    """It cannot be measured here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Question:
    """`name` selects it, `title` and `how` are its part of the page.

    `measure` takes one round and raises TaskgroveError when the runs in it were not sound. `fresh`: each round has services of its own
    that have done nothing before (memory of Python is never given back). `settings` are for those, and need `fresh`.
    `side_by_side`: it is taken in turn with the others that are, round by round, so that all of them meet the same weather.
    """

    name: str
    title: str
    how: str
    measure: Callable[[Bench, Sizes], Awaitable[Readings]]
    figures: Callable[[Taken, Sizes], list[Figure]]
    plot: Callable[[Taken, Sizes], Plot]
    fresh: bool = False
    side_by_side: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

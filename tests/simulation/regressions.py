"""What the simulation found, shrunk to the faults that it took; replayed by every run of the tests.

A seed tells the same story only as long as nothing changes what is read, written or said in it. What it found is tested beside the code as
well; here it is kept as the story that it was.
"""

from dataclasses import dataclass
from typing import Literal

from tests.simulation.faults import Sweep


@dataclass(frozen=True)
class Kept:
    """`faults` are the numbers of those that stay on; `found` is what came of them, and `mended` the commit that ended it."""

    seed: int
    sweep: Sweep
    faults: tuple[int, ...]
    found: str
    mended: str
    workload: Literal["walk", "workload"] = "workload"


KEPT = (
    Kept(
        85,
        "off",
        (0,),
        "the sequencer died between freeing tasks and saying so: who heard the verdict next had nothing to decide, and said nothing",
        "A sequencer that dies between writing and saying loses no time",
        "walk",
    ),
    Kept(
        24,
        "on",
        (1, 2),
        "the store was away while an agent read what its task depends on: that cost the task one of its tries",
        "A store that is away while an agent reads what its task depends on costs time",
        "walk",
    ),
)

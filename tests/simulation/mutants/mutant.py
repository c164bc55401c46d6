"""A mistake that somebody could make in the real code, as data: the simulation is as good as it is at finding these."""

from dataclasses import dataclass

from tests.simulation.faults import Sweep


@dataclass(frozen=True)
class Mutant:
    """In `file`, `old` (which is there exactly once) becomes `new`. `tempting` says why somebody would write it so.

    `sweep` is the mode in which it is looked for: what only loses hints is hidden where a sweep says them again. `workload` is the module
    of `tests/simulation` that says what is to be done.
    """

    name: str
    file: str
    old: str
    new: str
    tempting: str
    sweep: Sweep = "on"
    workload: str = "workload"

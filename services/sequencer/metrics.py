"""The sequencer's own metrics: name, help and labels, once."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.contracts.phases import TERMINAL, Phase

STORED: tuple[Phase, ...] = tuple(phase for phase in Phase if phase not in (Phase.RUNNING, Phase.CHECKING))
"""The phases that a task is stored in; the other two are read off its attempt."""


class SequencerMetrics:
    """What the sequencer counts beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._moves = Counter("taskgrove_task_moves_total", "Phases that tasks entered.", ["phase"], registry=registry)
        self._tasks = Gauge(
            "taskgrove_tasks",
            "Tasks that are not over, by phase, counted every few seconds by each replica: take the greatest.",
            ["phase"],
            registry=registry,
        )
        self._runs = Gauge("taskgrove_runs", "Runs that are not over, counted in the same way.", registry=registry)
        self._entered: dict[Phase, Counter] = {phase: self._moves.labels(phase.value) for phase in STORED}
        self._open: dict[Phase, Gauge] = {phase: self._tasks.labels(phase.value) for phase in STORED if phase not in TERMINAL}

    def entered(self, phases: Iterable[Phase]) -> None:
        """Tasks entered these phases."""
        for phase, count in Tally(phases).items():
            self._entered[phase].inc(count)

    def stand(self, tasks: Mapping[Phase, int], *, runs: int) -> None:
        """How many tasks stand in which phase now."""
        for phase, gauge in self._open.items():
            gauge.set(tasks.get(phase, 0))
        self._runs.set(runs)

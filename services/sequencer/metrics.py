"""The sequencer's own metrics: name, help and labels, once."""

from prometheus_client import CollectorRegistry, Counter


class SequencerMetrics:
    """What the sequencer counts beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.moves = Counter("taskgrove_task_moves_total", "Phases that tasks entered.", ["phase"], registry=registry)

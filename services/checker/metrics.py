"""The checker's own metrics: name, help and labels, once."""

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.001, 0.01, 0.1, 0.5, 1, 5, 30, 120, 600)


class CheckerMetrics:
    """What the checker counts beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.verdicts = Counter("taskgrove_verdicts_total", "Verdicts, by judgement.", ["judgement"], registry=registry)
        self.seconds = Histogram("taskgrove_check_seconds", "Time one check took.", ["kind"], buckets=SECONDS, registry=registry)

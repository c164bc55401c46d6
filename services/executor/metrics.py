"""The executor's own metrics: name, help and labels, once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 3_600)


class ExecutorMetrics:
    """What the executor counts beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter("taskgrove_attempts_total", "Attempts by agent and outcome.", ["agent", "outcome"], registry=registry)
        self.seconds = Histogram("taskgrove_attempt_seconds", "Time an attempt took.", ["agent"], buckets=SECONDS, registry=registry)
        self.running = Gauge("taskgrove_attempts_running", "Attempts under way.", ["lane"], registry=registry)
        self.backlog = Gauge("taskgrove_attempts_waiting", "Ready tasks that wait for a free slot here.", ["lane"], registry=registry)

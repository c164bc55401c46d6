"""The metrics that every service has: name, help and labels, once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 5, 10, 25, 50, 100, 200)


class ServiceMetrics:
    """What the machinery counts for one service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.heard = Counter("taskgrove_events_heard_total", "Events handled and acked.", ["event"], registry=registry)
        self.said = Counter("taskgrove_events_said_total", "Events confirmed by the broker.", ["event"], registry=registry)
        self.failed = Counter("taskgrove_handler_failures_total", "Times that a handler raised.", ["event"], registry=registry)
        self.quarantined = Counter("taskgrove_quarantined_total", "Messages put into quarantine.", registry=registry)
        self.rescued = Counter("taskgrove_sweep_rescued_total", "What the sweep found overdue.", ["what"], registry=registry)
        self.log_lines_dropped = Counter(
            "taskgrove_log_lines_dropped_total", "Log lines that the store did not take in time.", registry=registry
        )
        self.connected = Gauge("taskgrove_connected", "1 while broker and store answer.", registry=registry)
        self.handling = Histogram(
            "taskgrove_handler_seconds", "Time from taking a batch to its acks.", ["event"], buckets=SECONDS, registry=registry
        )
        self.batch = Histogram("taskgrove_handler_batch_events", "Events in a batch.", ["event"], buckets=SIZES, registry=registry)

"""The metrics of the approvals service: name, help and labels, once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.telemetry.metrics import SECONDS


class ApprovalsMetrics:
    """What is counted where people are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        of_route = ["method", "route"]
        self.requests = Counter("taskgrove_http_requests_total", "HTTP requests answered.", [*of_route, "status"], registry=registry)
        self.seconds = Histogram("taskgrove_http_seconds", "Time to the start of an answer.", of_route, buckets=SECONDS, registry=registry)
        self.asked = Counter("taskgrove_approvals_asked_total", "Questions that people were asked.", ["kind"], registry=registry)
        self.decided = Counter("taskgrove_approvals_decided_total", "Questions settled, by how.", ["decision"], registry=registry)
        self.watchers = Gauge("taskgrove_feed_watchers", "Clients that watch a run live.", registry=registry)

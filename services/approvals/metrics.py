"""The metrics of the approvals service: name, help and labels, once."""

from collections import Counter as Tally
from collections.abc import Iterable
from datetime import datetime
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.contracts.approvals import Choice
from shared.contracts.sequencer import ApprovalKind
from shared.telemetry.metrics import SECONDS

SAMPLED = ", counted every few seconds by each replica: take the greatest."


class ApprovalsMetrics:
    """What is counted where people are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        of_route = ["method", "route"]
        self.requests = Counter("taskgrove_http_requests_total", "HTTP requests answered.", [*of_route, "status"], registry=registry)
        self.seconds = Histogram("taskgrove_http_seconds", "Time to the start of an answer.", of_route, buckets=SECONDS, registry=registry)
        self.asked = Counter("taskgrove_approvals_asked_total", "Questions that people were asked.", ["kind"], registry=registry)
        self.decided = Counter("taskgrove_approvals_decided_total", "Questions settled, by how.", ["decision"], registry=registry)
        self.watchers = Gauge("taskgrove_feed_watchers", "Clients that watch a run live.", registry=registry)
        self._waiting = Gauge("taskgrove_approvals_waiting", f"Questions that wait for people{SAMPLED}", ["kind"], registry=registry)
        self._oldest = Gauge("taskgrove_approvals_oldest_seconds", f"Age of the oldest of them{SAMPLED}", ["kind"], registry=registry)
        self._quarantine = Gauge("taskgrove_quarantine_messages", f"Messages that lie in quarantine{SAMPLED}", registry=registry)
        for kind in get_args(ApprovalKind):
            self.asked.labels(kind)
        for decision in get_args(Choice):
            self.decided.labels(decision)

    def waits(self, questions: Iterable[tuple[str, datetime]], *, now: datetime, quarantined: int) -> None:
        """What waits for people now: open questions as kind and time of asking, and messages in quarantine."""
        asked = list(questions)
        counts = Tally(kind for kind, _ in asked)
        for kind in get_args(ApprovalKind):
            self._waiting.labels(kind).set(counts[kind])
            self._oldest.labels(kind).set(max(((now - at).total_seconds() for of, at in asked if of == kind), default=0))
        self._quarantine.set(quarantined)

"""The metrics that every service has: name, help and labels, once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, disable_created_metrics

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 5, 10, 25, 50, 100, 200, 500, 1_000, 2_000)
PARTS = ("broker", "store")
OPERATIONS = ("find", "read", "insert", "update", "bulk", "take", "delete", "count", "count_by")


@dataclass(frozen=True, slots=True)
class HandlerMetrics:
    """What is counted of one handler: its event's own series, which are looked up once."""

    heard: Counter
    failed: Counter
    handling: Histogram
    batch: Histogram


class ServiceMetrics:
    """What the machinery counts for one service. What has a known set of labels is there from the start, at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # When a series began is a series more for each, and nobody asks for it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self.heard = Counter("taskgrove_events_heard_total", "Events handled and acked.", ["event"], registry=registry)
        self.said = Counter("taskgrove_events_said_total", "Events confirmed by the broker.", ["event"], registry=registry)
        self.failed = Counter("taskgrove_handler_failures_total", "Times that a handler raised.", ["event"], registry=registry)
        self.quarantined = Counter("taskgrove_quarantined_total", "Messages put into quarantine.", registry=registry)
        self.rescued = Counter("taskgrove_sweep_rescued_total", "What a loss had delayed, by what it was.", ["what"], registry=registry)
        self.given_up = Counter(
            "taskgrove_messages_given_up_total",
            "Messages for which a queue had no room for too long; the sweeps say them again.",
            registry=registry,
        )
        self.log_lines_dropped = Counter(
            "taskgrove_log_lines_dropped_total", "Log lines that the store did not take in time.", registry=registry
        )
        self.handling = Histogram(
            "taskgrove_handler_seconds", "Time from taking a batch to its acks.", ["event"], buckets=SECONDS, registry=registry
        )
        self.batch = Histogram("taskgrove_handler_batch_events", "Events in a batch.", ["event"], buckets=SIZES, registry=registry)
        self.hop = Histogram(
            "taskgrove_hop_seconds", "Time from a message's making to its arrival here, by both clocks.", buckets=SECONDS, registry=registry
        )
        self.waiting = Gauge("taskgrove_events_waiting", "Events here that wait for their handler.", ["event"], registry=registry)
        self.oldest = Gauge("taskgrove_events_oldest_seconds", "Time that the oldest of them has waited.", ["event"], registry=registry)
        self.swept = Histogram("taskgrove_sweep_seconds", "Time that one sweep took.", buckets=SECONDS, registry=registry)
        self._machinery(registry)

    def _machinery(self, registry: CollectorRegistry) -> None:
        self.ready = Gauge("taskgrove_ready", "1 while the service works: it hears, broker and store answer.", registry=registry)
        self.connected = Gauge("taskgrove_connected", "1 while this part answers.", ["part"], registry=registry)
        self.publishing = Histogram("taskgrove_publish_seconds", "Time to the broker's confirms.", buckets=SECONDS, registry=registry)
        self.storing = Histogram(
            "taskgrove_store_seconds", "Time of one operation of the store.", ["operation"], buckets=SECONDS, registry=registry
        )
        self.store_failures = Counter(
            "taskgrove_store_failures_total", "Operations that the store did not do.", ["operation"], registry=registry
        )
        self.leases_held = Gauge("taskgrove_leases_held", "Attempts, verdicts or plans that this process works on.", registry=registry)
        self.leases_lost = Counter("taskgrove_leases_lost_total", "Leases that ran out or were taken over.", registry=registry)
        self.loop_lag = Histogram(
            "taskgrove_event_loop_lag_seconds", "How late the event loop woke a sleeper.", buckets=SECONDS, registry=registry
        )
        Info("taskgrove_build", "What runs here.", registry=registry).info({"version": _version()})
        ProcessCollector(registry=registry)
        for part in PARTS:
            self.connected.labels(part)
        for operation in OPERATIONS:
            self.storing.labels(operation)
            self.store_failures.labels(operation)

    def hears(self, event: str, *, waiting: Callable[[], float], oldest: Callable[[], float]) -> None:
        """This event is heard here; how many wait, and for how long, is asked when somebody looks."""
        self.waiting.labels(event=event).set_function(waiting)
        self.oldest.labels(event=event).set_function(oldest)

    def handles(self, event: str) -> HandlerMetrics:
        """This event has a handler here; its series are there from now on, at 0."""
        return HandlerMetrics(
            heard=self.heard.labels(event=event),
            failed=self.failed.labels(event=event),
            handling=self.handling.labels(event=event),
            batch=self.batch.labels(event=event),
        )

    def says(self, events: Iterable[str]) -> None:
        """These events are said here."""
        for event in events:
            self.said.labels(event=event)

    def rescues(self, kinds: Iterable[str]) -> None:
        """What the sweep of this service may find overdue."""
        for kind in kinds:
            self.rescued.labels(what=kind)


@cache
def _version() -> str:
    try:
        return version("taskgrove")
    except PackageNotFoundError:
        return "unknown"

"""What is counted of model calls: name, help and labels, once."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

OUTCOMES = (
    *("answered", "reused"),
    *("model_refused", "model_busy", "model_unreachable", "model_timed_out", "model_broke_off", "model_nonsense"),
)
KINDS = ("prompt", "completion")
SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class ModelMetrics:
    """The model calls of one service. `outcome` is answered, reused, or the code of a ModelFailed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter("taskgrove_model_calls_total", "Questions to models, by outcome.", ["model", "outcome"], registry=registry)
        self.tokens = Counter("taskgrove_model_tokens_total", "Tokens that were paid for.", ["model", "kind"], registry=registry)
        self.usd = Counter("taskgrove_model_usd_total", "US dollars spent, where the price is known.", ["model"], registry=registry)
        self.seconds = Histogram(
            "taskgrove_model_call_seconds", "Time until the answer, or until there was none.", ["model"], buckets=SECONDS, registry=registry
        )

        self.waiting = Gauge(
            "taskgrove_model_calls_waiting", "Questions that wait because TASKGROVE_MODEL_CONCURRENCY is reached.", registry=registry
        )

    def waits(self, count: Callable[[], float]) -> None:
        """So many questions wait for their turn; asked for when somebody looks."""
        self.waiting.set_function(count)

    def knows(self, model: str) -> None:
        """This model is asked here: its figures are there before its first call, which a rate would miss otherwise."""
        for outcome in OUTCOMES:
            self.calls.labels(model=model, outcome=outcome)
        for kind in KINDS:
            self.tokens.labels(model=model, kind=kind)
        self.usd.labels(model=model)
        self.seconds.labels(model=model)

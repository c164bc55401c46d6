"""The checker's own metrics: name, help and labels, once."""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.catalogue.checks import known_checks
from shared.contracts.checker import Judgement

SECONDS = (0.001, 0.01, 0.1, 0.5, 1, 5, 30, 120, 600)


class CheckerMetrics:
    """What the checker counts beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._verdicts = Counter("taskgrove_verdicts_total", "Verdicts, by judgement.", ["judgement"], registry=registry)
        seconds = Histogram("taskgrove_check_seconds", "Time one check took.", ["kind"], buckets=SECONDS, registry=registry)
        for judgement in get_args(Judgement):
            self._verdicts.labels(judgement)
        self._took = {kind: seconds.labels(kind).observe for kind in known_checks()}

    def judged(self, judgements: Iterable[str]) -> None:
        """Count these verdicts."""
        for judgement, count in Tally(judgements).items():
            self._verdicts.labels(judgement).inc(count)

    def took(self, kind: str, seconds: float) -> None:
        """One check took so long."""
        self._took[kind](seconds)

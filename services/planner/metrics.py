"""The planner's own metrics: name, help and labels, once."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600)


class PlannerMetrics:
    """What the planner counts beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.plans = Counter("taskgrove_plans_total", "Plans made, by planner and outcome.", ["planner", "outcome"], registry=registry)
        self.seconds = Histogram(
            "taskgrove_planning_seconds", "Time that making a plan took.", ["planner"], buckets=SECONDS, registry=registry
        )

    def knows(self, planners: Iterable[str]) -> None:
        """These planners there are, and the breakdowns that attempts propose."""
        for planner in (*planners, "proposal"):
            self.plans.labels(planner, "proposed")
            self.seconds.labels(planner)
        self.plans.labels("none", "failed")

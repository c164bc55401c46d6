"""The planner's own metrics: name, help and labels, once."""

from prometheus_client import CollectorRegistry, Counter


class PlannerMetrics:
    """What the planner counts beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.plans = Counter("taskgrove_plans_total", "Plans made, by planner and outcome.", ["planner", "outcome"], registry=registry)

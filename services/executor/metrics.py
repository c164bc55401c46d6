"""The executor's own metrics: name, help and labels, once."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.contracts.executor import Outcome

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 3_600)
DISPATCH_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)
STEPS = (1, 2, 5, 10, 20, 40, 80, 160)
UNKNOWN = "unknown"


class ExecutorMetrics:
    """What the executor counts beside what every service does."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter("taskgrove_attempts_total", "Attempts by agent and outcome.", ["agent", "outcome"], registry=registry)
        self._seconds = Histogram("taskgrove_attempt_seconds", "Time an attempt took.", ["agent"], buckets=SECONDS, registry=registry)
        self._dispatch = Histogram(
            "taskgrove_dispatch_seconds",
            "Time from a task's being ready to its being claimed, of those that no cap of a run or agent may hold back.",
            ["lane"],
            buckets=DISPATCH_SECONDS,
            registry=registry,
        )
        self._running = Gauge("taskgrove_attempts_running", "Attempts under way.", ["lane"], registry=registry)
        self._slots = Gauge("taskgrove_attempts_slots", "Attempts that may be under way at once here.", ["lane"], registry=registry)
        self._waiting = Gauge("taskgrove_attempts_waiting", "Ready tasks that wait for a free slot here.", ["lane"], registry=registry)
        self._oldest = Gauge(
            "taskgrove_attempts_oldest_seconds",
            "Time that the oldest of them has waited, of those that no cap may hold back.",
            ["lane"],
            registry=registry,
        )
        self._ended: dict[tuple[str, str], Callable[[], None]] = {}
        self._took: dict[str, Callable[[float], None]] = {}
        self._claimed: dict[str, Callable[[float], None]] = {}

    def knows(self, agents: Iterable[str]) -> None:
        """These agents there are. All other names come from notes and are counted as one."""
        for agent in (*agents, UNKNOWN):
            self._took[agent] = self._seconds.labels(agent).observe
            for outcome in Outcome:
                if outcome not in (Outcome.RUNNING, Outcome.LOST):  # its executor does not see that an attempt is lost
                    self._ended[agent, outcome.value] = self._attempts.labels(agent, outcome.value).inc

    def has_lane(
        self, lane: str, slots: int, *, running: Callable[[], float], waiting: Callable[[], float], oldest: Callable[[], float]
    ) -> None:
        """A lane of this executor; its figures are asked for when somebody looks."""
        self._slots.labels(lane).set(slots)
        self._running.labels(lane).set_function(running)
        self._waiting.labels(lane).set_function(waiting)
        self._oldest.labels(lane).set_function(oldest)
        self._claimed[lane] = self._dispatch.labels(lane).observe

    def claimed(self, lane: str, seconds: float) -> None:
        """A task was claimed so long after it became ready."""
        self._claimed[lane](max(0.0, seconds))

    def ended(self, agent: str, outcome: str, seconds: float) -> None:
        """An attempt ended so."""
        known = agent if agent in self._took else UNKNOWN
        self._ended[known, outcome]()
        self._took[known](seconds)


class AgentMetrics:
    """What the agent `model` counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.steps = Histogram("taskgrove_agent_steps", "Answers of the model in one attempt.", buckets=STEPS, registry=registry)
        self.calls = Counter(
            "taskgrove_agent_tool_calls_total", "Tools that models used, by outcome: ok or refused.", ["tool", "outcome"], registry=registry
        )

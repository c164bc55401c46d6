"""What the overview dashboard shows: rows of panels, each with its question, its unit and its queries."""

# ruff: noqa: INP001 (a part of a script, found beside it)

from dataclasses import dataclass

RATE = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL query and how its lines are named."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Show:
    """One panel. `unit` is Grafana's name of the unit; `stat` shows one figure; `bad_from` is where it turns red."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    stat: bool = False
    stacked: bool = False
    bad_from: float | None = None


def per_second(counter: str, by: str, *, where: str = "", legend: str = "") -> tuple[Query, ...]:
    """The rate of a counter, by these labels."""
    return (Query(f"sum by ({by}) (rate({counter}{where}[{RATE}]))", legend or _names(by)),)


def quantiles(histogram: str, by: str, *, where: str = "", of: tuple[float, ...] = (0.95,)) -> tuple[Query, ...]:
    """Quantiles of a histogram, by these labels."""
    within = f"sum by (le, {by}) (rate({histogram}_bucket{where}[{RATE}]))"
    return tuple(Query(f"histogram_quantile({q}, {within})", f"{_names(by)} p{q * 100:g}") for q in of)


def greatest(gauge: str, by: str, *, where: str = "") -> tuple[Query, ...]:
    """The greatest of a gauge over all replicas, by these labels."""
    return (Query(f"max by ({by}) ({gauge}{where})", _names(by)),)


def total(gauge: str, by: str, *, legend: str = "") -> tuple[Query, ...]:
    """A gauge added up over all replicas, by these labels."""
    return (Query(f"sum by ({by}) ({gauge})", legend or _names(by)),)


def _names(by: str) -> str:
    return " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))


def _one(title: str, description: str, expression: str, **how: float) -> Show:
    return Show(title, description, "short", (Query(expression, ""),), stat=True, **how)  # type: ignore[arg-type]


OURS = '{job="taskgrove"}'

HEALTHY = (
    _one("Services ready", "How many of the five have a replica that works.", "count(max by (service) (taskgrove_ready) == 1)"),
    _one("Runs open", "Runs that are not over.", "max(taskgrove_runs)"),
    _one("Tasks open", "Tasks that are not over.", "sum(max by (phase) (taskgrove_tasks))"),
    _one("Questions open", "What people are asked and have not answered.", "sum(max by (kind) (taskgrove_approvals_waiting))"),
    _one("In quarantine", "Messages that nobody could use.", "max(taskgrove_quarantine_messages)", bad_from=1),
    Show("Version", "What runs, and on how many replicas.", "short", (Query("count by (version) (taskgrove_build_info)", "{{version}}"),),
         stat=True),
    Show("Events handled", "Rate: events handled and acked, by service.", "ops", per_second("taskgrove_events_heard_total", "service")),
    Show("Handlers that failed", "Errors: times that a handler raised.", "ops",
         per_second("taskgrove_handler_failures_total", "service, event")),
    Show("Time to handle a batch", "Duration: from taking a batch to its acks.", "s", quantiles("taskgrove_handler_seconds", "service")),
    Show("HTTP requests", "Answers of the API and the dashboard, by status.", "reqps",
         per_second("taskgrove_http_requests_total", "status")),
    Show("HTTP time to answer", "To the start of the answer, by route.", "s", quantiles("taskgrove_http_seconds", "method, route")),
    Show("Event loop lag", "How late the loop wakes a sleeper; much of it means that something holds it up.", "s",
         quantiles("taskgrove_event_loop_lag_seconds", "service", of=(0.99,))),
    Show("Processors", "Processors in use.", "short", per_second("process_cpu_seconds_total", "service", where=OURS)),
    Show("Memory", "Resident memory.", "bytes", total(f"process_resident_memory_bytes{OURS}", "service")),
)  # fmt: skip

MOVING = (
    Show("Tasks by phase", "Tasks that are not over.", "short", greatest("taskgrove_tasks", "phase"), stacked=True),
    Show("Moves", "Tasks that enter a phase: as many should be completed as become ready.", "ops",
         per_second("taskgrove_task_moves_total", "phase")),
    Show("Ready to claimed", "How long ready tasks wait for an executor.", "s",
         quantiles("taskgrove_dispatch_seconds", "lane", of=(0.5, 0.99))),
    Show("Slots in use", "Attempts under way, and how many may be.", "short",
         (*total("taskgrove_attempts_running", "lane", legend="{{lane}} at work"),
          *total("taskgrove_attempts_slots", "lane", legend="{{lane}} slots"))),
    Show("Waiting for a slot", "Ready tasks that an executor holds until a slot is free.", "short",
         total("taskgrove_attempts_waiting", "lane")),
    Show("Longest wait for a slot", "The oldest of them.", "s", greatest("taskgrove_attempts_oldest_seconds", "lane")),
    Show("Attempts", "How attempts end, by agent.", "ops", per_second("taskgrove_attempts_total", "agent, outcome")),
    Show("Time of an attempt", "By agent.", "s", quantiles("taskgrove_attempt_seconds", "agent")),
    Show("Verdicts", "What the checker finds.", "ops", per_second("taskgrove_verdicts_total", "judgement")),
    Show("Time of a check", "By kind.", "s", quantiles("taskgrove_check_seconds", "kind")),
    Show("Plans", "Plans made and refused.", "ops", per_second("taskgrove_plans_total", "planner, outcome")),
    Show("Time of planning", "By planner.", "s", quantiles("taskgrove_planning_seconds", "planner")),
    Show("Age of the oldest event", "Events that have arrived and wait for their handler.", "s",
         greatest("taskgrove_events_oldest_seconds", "service, event")),
    Show("Events waiting", "How many of them there are.", "short", total("taskgrove_events_waiting", "service, event")),
    Show("Time of a hop", "From the making of a message to its arrival.", "s", quantiles("taskgrove_hop_seconds", "service")),
)  # fmt: skip

PEOPLE = (
    Show("Questions open", "By kind.", "short", greatest("taskgrove_approvals_waiting", "kind")),
    Show("Longest wait for an answer", "The oldest open question.", "s", greatest("taskgrove_approvals_oldest_seconds", "kind")),
    Show("Questions asked", "By kind.", "ops", per_second("taskgrove_approvals_asked_total", "kind")),
    Show("Questions settled", "By decision.", "ops", per_second("taskgrove_approvals_decided_total", "decision")),
    Show("Watchers", "Clients that watch a run live.", "short", total("taskgrove_feed_watchers", "service")),
)

MONEY = (
    Show("Model calls", "By model and outcome; reused ones cost nothing.", "ops",
         per_second("taskgrove_model_calls_total", "model, outcome")),
    Show("Time of a call", "By model.", "s", quantiles("taskgrove_model_call_seconds", "model")),
    Show("Steps of an attempt", "Answers that a model needs for one attempt.", "short", quantiles("taskgrove_agent_steps", "service")),
    Show("Tools used", "What models do, by tool.", "ops", per_second("taskgrove_agent_tool_calls_total", "tool, outcome")),
    Show("Tokens", "Tokens paid for.", "ops", per_second("taskgrove_model_tokens_total", "model, kind")),
    Show("Cost of an hour", "US dollars an hour at the present rate, where prices are known.", "currencyUSD",
         (Query(f"3600 * sum by (model) (rate(taskgrove_model_usd_total[{RATE}]))", "{{model}}"),)),
)  # fmt: skip

FAULTS = (
    Show("Rescued by the sweep", "What was overdue: lost messages, dead holders of leases.", "ops",
         per_second("taskgrove_sweep_rescued_total", "service, what")),
    Show("Put into quarantine", "Messages that no handler could take.", "ops", per_second("taskgrove_quarantined_total", "service")),
    Show("Leases held", "Work under way.", "short", total("taskgrove_leases_held", "service")),
    Show("Leases lost", "Work that another process took over from a living one.", "ops",
         per_second("taskgrove_leases_lost_total", "service")),
    Show("Restarts in an hour", "Starts of a process at the same address.", "short",
         (Query(f"sum by (service) (changes(process_start_time_seconds{OURS}[1h]))", "{{service}}"),)),
    Show("Log lines dropped", "Lines that the store did not take in time; standard error has them.", "ops",
         per_second("taskgrove_log_lines_dropped_total", "service")),
    Show("Store operations that failed", "By operation.", "ops", per_second("taskgrove_store_failures_total", "service, operation")),
)  # fmt: skip

MACHINERY = (
    Show("Connected", "1 while the part answers the service.", "short",
         (Query("min by (service, part) (taskgrove_connected)", "{{service}} {{part}}"),)),
    Show("Messages in RabbitMQ", "Ready in each queue; a service that keeps up leaves none.", "short",
         (Query('max by (queue) (rabbitmq_detailed_queue_messages_ready{queue=~"taskgrove[.].*"})', "{{queue}}"),)),
    Show("Consumers", "Who hears each queue.", "short",
         (Query('max by (queue) (rabbitmq_detailed_queue_consumers{queue=~"taskgrove[.].*"})', "{{queue}}"),)),
    Show("Events said", "Confirmed by the broker.", "ops", per_second("taskgrove_events_said_total", "service")),
    Show("Time to confirms", "From publishing to the broker's confirms.", "s", quantiles("taskgrove_publish_seconds", "service")),
    Show("Events in a batch", "How many events one handler takes together.", "short",
         quantiles("taskgrove_handler_batch_events", "service", of=(0.5, 0.95))),
    Show("Store operations", "By operation.", "ops", per_second("taskgrove_store_seconds_count", "operation")),
    Show("Time of a store operation", "By service and operation.", "s", quantiles("taskgrove_store_seconds", "service, operation")),
    Show("Time of a sweep", "One look at what is overdue.", "s", quantiles("taskgrove_sweep_seconds", "service")),
)  # fmt: skip

ROWS: tuple[tuple[str, tuple[Show, ...]], ...] = (
    ("Is it healthy?", HEALTHY),
    ("Is work moving?", MOVING),
    ("What waits on people?", PEOPLE),
    ("What does it cost?", MONEY),
    ("Faults", FAULTS),
    ("Broker and store", MACHINERY),
)

"""What people were told or have said must hold: nothing that was accepted is lost, and nothing is done that nobody wanted."""

from collections import Counter
from collections.abc import Callable, Iterator

from shared.contracts.phases import TERMINAL, Action, Phase
from shared.ids import above, run_of
from tests.simulation.evidence import Evidence

Finds = Iterator[str]

TRIED = (Phase.READY, Phase.INTEGRATING, Phase.EXPANDING)
NOT_BEFORE_OVER = {
    "approve": (Phase.FAILED, Phase.SKIPPED), "skip": (Phase.FAILED, Phase.COMPLETED, Phase.READY, Phase.INTEGRATING),
    "fail": (Phase.COMPLETED, Phase.SKIPPED, Phase.READY, Phase.INTEGRATING), "reject": (Phase.COMPLETED, Phase.SKIPPED, Phase.READY),
    "retry": (Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED), "take_over": (Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED),
}  # fmt: skip
"""Where an answer does not lead."""


def accepted_runs_end(seen: Evidence) -> Finds:
    """What was answered with 2xx is there and over; the same key gave the same run."""
    for key, run_ids in seen.accepted.runs.items():
        if len(run_ids) > 1:
            yield f"the idempotency key {key} gave {len(run_ids)} runs"
        for run_id in run_ids:
            if run_id not in seen.tasks:
                yield f"{run_id} was accepted and has no task"
            elif run_id not in seen.submissions:
                yield f"{run_id} was accepted and its submission is not kept"
    yield from (f"{name} is {task['phase']} in the end" for name, task in seen.tasks.items() if task["phase"] not in TERMINAL)


def accepted_answers_count(seen: Evidence) -> Finds:
    """An answer that was accepted is kept, with a trace in the audit trail."""
    audited = {(entry["who"], entry["subject"]) for entry in seen.audit if entry["what"] == "decide"}
    for name, who, decision in seen.accepted.answers:
        kept = seen.approvals.get(name, {"decisions": []})["decisions"]
        if not any(one["by"] == who and one["decision"] == decision for one in kept):
            yield f"{who} answered {name} with {decision}, and that is lost"
        if (who, name) not in audited:
            yield f"{who} answered {name}, and the audit trail does not say so"


def accepted_orders_count(seen: Evidence) -> Finds:
    """An order that was accepted was carried out or refused, or given up once it was impossible."""
    watch = seen.watch
    wanted = Counter(seen.accepted.orders)
    for (task_id, action), times in wanted.items():
        kept = [name for name, one in watch.controls.items() if one["task_id"] == task_id and one["event"]["action"] == action]
        if len(kept) < times:
            yield f"{times} orders to {action} {task_id} were accepted, and {len(kept)} are kept"
    for name, control in watch.controls.items():
        if name not in watch.noted.keys() | watch.given_up:
            yield f"the order {control['event']['action']} of {control['task_id']} was passed over"


def orders_act_once(seen: Evidence) -> Finds:
    """A task is cancelled by people, paused, and tried again after it was escalated, at most as often as they want it.

    What an older order brings back late, because its sequencer was slow, is cancelled again by the newer one, should that be heard again.
    """
    controls = seen.watch.controls.values()
    orders = Counter((one["task_id"], one["event"]["action"]) for one in controls)
    cancelled = Counter(one.task_id for one in seen.watch.changes if one.after is Phase.CANCELLED and one.why.startswith("cancelled by "))
    for name, times in cancelled.items():
        cancels = [one["_id"] for one in controls if one["event"]["action"] == Action.CANCEL and one["task_id"] in (*above(name), name)]
        wanted = len(cancels)
        late = sum(order < max(cancels, default="") for order in seen.tasks[name].get("reruns", ()))
        if times > wanted + late:
            yield f"{name} was cancelled {times} times, and {wanted} times somebody wanted it"
    for name, times in seen.watch.held.items():
        pauses = sum(one["event"]["action"] == Action.PAUSE and one["task_id"] in (*above(name), name) for one in controls)
        if times > pauses + len(seen.tasks.get(name, {}).get("reruns", ())):
            yield f"{name} was paused {times} times, and {pauses} times somebody wanted it"
    tried = Counter(one.task_id for one in seen.watch.changes if one.before is Phase.ESCALATED and one.after in TRIED)
    answers = Counter(doc["task_id"] for doc in seen.approvals.values() if doc["state"] in ("retry", "take_over"))
    for name, times in tried.items():
        wanted = answers[name] + orders[name, Action.RETRY] + orders[name, Action.COMPLETE]
        if times > wanted:
            yield f"{name} was tried again {times} times after it was escalated, and {wanted} times somebody wanted it"


def answers_are_obeyed(seen: Evidence) -> Finds:
    """A task leaves its question where the answer leads, unless an order was given for it or one above it."""
    ordered = {run_of(one["task_id"]) for one in seen.watch.controls.values()}
    for one in seen.watch.changes:
        if one.before not in (Phase.AWAITING_APPROVAL, Phase.ESCALATED) or one.after is one.before or run_of(one.task_id) in ordered:
            continue
        answer = seen.approvals.get(one.question or "", {"state": "pending"})["state"]
        if answer == "pending" and one.after is not Phase.CANCELLED:
            yield f"{one.task_id} went on to {one.after}, and nobody had answered"
        wrong = NOT_BEFORE_OVER.get(answer, ())
        if one.after in wrong and not (answer == "take_over" and one.after in (Phase.READY, Phase.INTEGRATING)):
            yield f"{one.task_id} went to {one.after} upon the answer {answer}"


PROMISES: tuple[Callable[[Evidence], Finds], ...] = (
    accepted_runs_end,
    accepted_answers_count,
    accepted_orders_count,
    orders_act_once,
    answers_are_obeyed,
)

"""What must be true of every schedule once it is over; `watch` says what was not even while it lasted."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from services.approvals.domain.audit import verify
from services.approvals.domain.summary import Counting, group_view
from services.approvals.domain.tree import Branch, nested_view
from services.approvals.domain.views import Beside
from shared.contracts.phases import TERMINAL, Action, Phase
from shared.contracts.views import TaskView
from shared.ids import attempt_id, run_of, task_of
from tests.simulation.evidence import Evidence
from tests.simulation.promises import PROMISES, Finds
from tests.simulation.world import World

DONE = (Phase.COMPLETED, Phase.SKIPPED)
REOPENING = frozenset({Action.RETRY, Action.RERUN})
LONGEST_AFTERLIFE = 45.0
"""Seconds after which nothing is begun any more below a task that is over: an interrupted order is said again, less and less often."""
LONGEST_WAY = 5.0
"""Seconds that a claim may be on its way to the store."""
TELL_ALL = frozenset({"slow", "duplicated", "clock jump"})
"""Faults under which even an event that only watchers hear of arrives: no other copy of it is ever said."""


def check(world: World) -> list[str]:
    """Everything that is violated, each with the name of its invariant."""
    seen = Evidence.of(world)
    return [f"{look.__name__}: {found}" for look in INVARIANTS for found in look(seen)]


def no_wrong_step(seen: Evidence) -> Finds:
    """Phases move as the table has it, epochs never fall, whatever waits is due some time, what has ended is not written again."""
    yield from seen.watch.violations


def one_adopted_result(seen: Evidence) -> Finds:
    """What is completed rests on one attempt of its own epoch that was executed, and on one verdict that passed it."""
    for name, task in seen.tasks.items():
        if task["phase"] != Phase.COMPLETED:
            continue
        adopted = attempt_id(name, task["epoch"])
        attempt, verdict = seen.attempts.get(adopted), seen.verdicts.get(adopted)
        if not attempt or attempt["state"] != "executed":
            yield f"{adopted} counts, and its attempt is {attempt['state'] if attempt else 'missing'}"
        if not verdict or verdict["state"] != "done" or verdict["judgement"] != "passed" or verdict["epoch"] != task["epoch"]:
            yield f"{adopted} counts, and its verdict is {verdict['judgement'] if verdict and 'judgement' in verdict else 'missing'}"
    completions = Counter((one.task_id, one.epoch) for one in seen.watch.changes if one.after is Phase.COMPLETED)
    yield from (f"{name} was completed {times} times at epoch {epoch}" for (name, epoch), times in completions.items() if times > 1)


def effects_once(seen: Evidence) -> Finds:
    """Each attempt was begun once and had its effect once, and what counts names the effect that it rests on."""
    yield from (f"{attempt} was begun {times} times" for attempt, times in seen.effects.begun.items() if times > 1)
    by_key = seen.effects.by_key()
    yield from (f"{key} had its effect {len(effects)} times" for key, effects in by_key.items() if len(effects) > 1)
    for name, attempt in seen.attempts.items():
        token = seen.token(name)
        if token is not None and token not in [effect.number for effect in by_key.get(name, ())]:
            yield f"{name} says that its effect is number {token}, and it is not ({attempt['state']})"
    yield from (f"{name} had an effect without a claim" for name in by_key if name not in seen.watch.claims)
    yield from (f"something was done for {name}, which is no task" for name in seen.effects.done if name not in seen.tasks)


def dependencies_first(seen: Evidence) -> Finds:
    """What counts was begun after all that it waits for was over for the last time, and saw what counts of that."""
    for name, task in seen.tasks.items():
        adopted = attempt_id(name, task["epoch"])
        if task["phase"] != Phase.COMPLETED or adopted not in seen.watch.claims or seen.is_by_hand(adopted):
            continue
        claimed = seen.watch.claims[adopted].order
        for before in seen.waits_for(name):
            if seen.ended(before) > claimed:
                yield f"{adopted} was begun before {before} was over"
            if seen.tasks[before]["phase"] not in DONE and not seen.tasks[before]["passes"]:
                yield f"{name} is completed, and {before}, which it waits for, is {seen.tasks[before]['phase']}"
            saw = seen.data(adopted).get("saw", {})
            key, token = seen.tasks[before]["key"], seen.token(attempt_id(before, seen.tasks[before]["epoch"]))
            if key in saw and saw[key] != token:
                yield f"{adopted} worked with result {saw[key]} of {before}, and {token} is what counts"


def never_too_early(seen: Evidence) -> Finds:
    """In a run in which nothing was done again, no attempt at all was begun before what its task waits for was over."""
    again = {run_of(one["task_id"]) for one in seen.watch.controls.values() if one["event"]["action"] in REOPENING}
    for attempt, claim in seen.watch.claims.items():
        name = task_of(attempt)
        if run_of(name) not in again and not seen.is_by_hand(attempt):
            yield from (f"{attempt} was begun before {one} was over" for one in seen.waits_for(name) if seen.ended(one) > claim.order)


def children_first(seen: Evidence) -> Finds:
    """A parent is joined once all below it are over; it has all its children; and what it is agrees with what they are."""
    for name, task in seen.tasks.items():
        children = seen.children[name]
        planned = sum(seen.tasks[child]["plan_id"] == f"{name}@{task.get('plan_version')}" for child in children)
        if planned != (task.get("children") or 0):
            yield f"{name} has {planned} of {task.get('children')} children"
        adopted = attempt_id(name, task["epoch"])
        if not children or task["phase"] != Phase.COMPLETED or adopted not in seen.watch.claims:
            continue
        claimed = seen.watch.claims[adopted].order
        yield from (f"{adopted} was begun before its child {child} was over" for child in children if seen.ended(child) > claimed)
        missed = [child for child in children if seen.tasks[child]["phase"] not in DONE]
        if missed:
            yield f"{name} is completed, and its child {missed[0]} is {seen.tasks[missed[0]]['phase']}"


def nothing_waits(seen: Evidence) -> Finds:
    """Nothing is due any more, and nothing runs."""
    for collection in (seen.tasks, seen.attempts, seen.verdicts):
        yield from (f"{name} still has a due_at" for name, doc in collection.items() if "due_at" in doc and seen.sweep == "on")
    for collection in (seen.attempts, seen.verdicts):
        yield from (f"{name} still runs" for name, doc in collection.items() if doc["state"] == "running")
    yield from (f"{name} is still asked" for name, doc in seen.approvals.items() if doc["state"] == "pending")


def no_orphans(seen: Evidence) -> Finds:
    """Everything belongs to something that is there."""
    for name, task in seen.tasks.items():
        if task["parent_id"] is not None and task["parent_id"] not in seen.tasks:
            yield f"{name} has no parent"
    for what, collection in (("attempt", seen.attempts), ("verdict", seen.verdicts), ("approval", seen.approvals)):
        yield from (f"the {what} {name} is about no task" for name, doc in collection.items() if doc["task_id"] not in seen.tasks)
    yield from (f"the verdict {name} is about no attempt" for name in seen.verdicts if name not in seen.attempts)


def nothing_below_the_dead(seen: Evidence) -> Finds:
    """Soon after a task is over, nothing below it is begun any more."""
    for attempt, claim in seen.watch.claims.items():
        parent = seen.tasks[task_of(attempt)]["parent_id"]
        if claim.parent_open or parent is None:
            continue
        ends = [one for one in seen.watch.changes if one.task_id == parent and one.order < claim.order and one.after in TERMINAL]
        if ends and claim.at - ends[-1].at > LONGEST_AFTERLIFE:
            yield f"{attempt} was begun {claim.at - ends[-1].at:.0f} s after {parent} was over"


def nothing_begins_while_paused(seen: Evidence) -> Finds:
    """Soon after a task was paused it is not begun any more."""
    for attempt, claim in seen.watch.claims.items():
        if claim.paused_for > LONGEST_WAY:
            yield f"{attempt} was begun {claim.paused_for:.1f} s after its task was paused"


def nothing_begins_that_is_outdated(seen: Evidence) -> Finds:
    """Soon after a task went on under a newer epoch no attempt of an older one is begun any more."""
    for attempt, claim in seen.watch.claims.items():
        if claim.outdated_for > LONGEST_WAY:
            yield f"{attempt} was begun {claim.outdated_for:.1f} s after its task had gone on under a newer epoch"


def ended_stay_ended(seen: Evidence) -> Finds:
    """Only an order leads out of the end; in a run without one, tasks end once."""
    ordered = {run_of(one["task_id"]) for one in seen.watch.controls.values() if one["event"]["action"] in REOPENING}
    for one in seen.watch.changes:
        if one.before in TERMINAL and one.before is not None and one.after is not one.before and run_of(one.task_id) not in ordered:
            yield f"{one.task_id} went from {one.before} to {one.after}, and nobody ordered it"


def audit_is_whole(seen: Evidence) -> Finds:
    """The chain of hashes holds from the first entry to the last."""
    if finding := verify(seen.audit):
        yield f"{finding.entry_id} {finding.reason}"


def counts_are_sums(seen: Evidence) -> Finds:
    """What a run says of itself is what its tasks are."""
    for run_id in (name for name, task in seen.tasks.items() if task["parent_id"] is None):
        tasks = [task for name, task in seen.tasks.items() if run_of(name) == run_id and name != run_id]
        branch = Branch([seen.tasks[run_id], *tasks], list(seen.attempts.values()), list(seen.verdicts.values()))
        view = TaskView.model_validate(nested_view(branch))
        counting = Counting(run_id)
        counting.tasks(branch.tasks)
        counting.attempts([attempt for attempt in seen.attempts.values() if run_of(attempt["task_id"]) == run_id])
        alone = TaskView.model_validate(group_view(seen.tasks[run_id], Beside(), counting.summary().of(run_id)))
        if (alone.counts, alone.started_at, alone.usage) != (view.counts, view.started_at, view.usage):
            yield f"{run_id} is {alone.counts}, {alone.usage} alone, and {view.counts}, {view.usage} with its tree"
        really = Counter(task["phase"] for task in tasks)
        if view.counts != {**really} and view.counts != {**(really + Counter([view.phase.value]))}:
            yield f"{run_id} counts {view.counts}, and its tasks are {dict(really)}"


def feed_has_no_gaps(seen: Evidence) -> Finds:
    """The live view's numbers follow each other; where no fault could lose one, each end is told."""
    by_run: dict[str, list[dict[str, Any]]] = {}
    for line in seen.feed:
        by_run.setdefault(line["run_id"], []).append(line)
    for run_id, lines in by_run.items():
        numbers = sorted(line["seq"] for line in lines)
        if numbers != list(range(1, len(lines) + 1)):
            yield f"the numbers of {run_id} are {numbers}"
    if not seen.faults <= TELL_ALL:
        return
    told = {task for line in seen.feed if line["event"] in ("task.completed", "task.failed") for task in line["data"]["tasks"]}
    yield from (f"nobody was told that {name} is over" for name in seen.tasks if name not in told)


def nothing_is_poison(seen: Evidence) -> Finds:
    """No message ended in quarantine, unless whoever heard it died again and again."""
    if not seen.faults & {"crash", "crash before", "crash after", "all of a service", "connection lost", "broker away"}:
        yield from (f"{doc['routing_key']} is in quarantine: {doc['reason']}" for doc in seen.quarantine)
    yield from (f"{doc['routing_key']} is in quarantine: {doc['reason']}" for doc in seen.quarantine if "handler failed" in doc["reason"])


def plans_are_carried_out_once(seen: Evidence) -> Finds:
    """Each task stands in the plan that its parent adopted, and each adopted plan has its sequence."""
    for name, task in seen.tasks.items():
        if task.get("children") and f"{name}@{task['plan_version']}" not in seen.sequences:
            yield f"{name} was planned, and its sequence is not kept"
        parent = seen.tasks.get(task["parent_id"] or "")
        # It grew while its parent came to its end: what had begun of a large plan may be done, the rest went with it.
        uprooted = parent and task["phase"] in TERMINAL and parent["phase"] in TERMINAL and not parent.get("children")
        if parent and not uprooted and task["plan_id"] != f"{parent['_id']}@{parent.get('plan_version')}":
            yield f"{name} comes from {task['plan_id']}, and its parent is at version {parent.get('plan_version')}"


def never_too_many(seen: Evidence) -> Finds:
    """Of a run with a cap no more were under way at once, whoever claimed them; what its executor lost counts until that is known."""
    for run in seen.runs:
        most, cap = seen.effects.crowds[run.run_id], run.options.get("concurrency")
        if cap and most > cap:
            yield f"{most} of {run.run_id} were under way at once, and it may have {cap}"


def fair_runs_succeed(seen: Evidence) -> Finds:
    """A run that can be done, and to which people did nothing but help, is done."""
    for run in seen.runs:
        if run.fair and not run.hard and run.run_id in seen.tasks:
            phase = seen.tasks[run.run_id]["phase"]
            if phase != Phase.COMPLETED:
                missed = [f"{task['key']} {task['phase']} {task['error']}" for task in seen.tasks.values() if task["phase"] not in DONE]
                yield f"{run.run_id} is {phase}: {'; '.join(missed[:4])}"


INVARIANTS: tuple[Callable[[Evidence], Finds], ...] = (
    no_wrong_step,
    *PROMISES,
    one_adopted_result,
    effects_once,
    dependencies_first,
    never_too_early,
    children_first,
    nothing_waits,
    no_orphans,
    nothing_below_the_dead,
    nothing_begins_while_paused,
    nothing_begins_that_is_outdated,
    ended_stay_ended,
    audit_is_whole,
    counts_are_sums,
    feed_has_no_gaps,
    nothing_is_poison,
    plans_are_carried_out_once,
    never_too_many,
    fair_runs_succeed,
)

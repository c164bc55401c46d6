"""A task comes back to life: it is done again, or what is below it is joined again.

An order marks every task that it reopens, twice, and each time raises its epoch. After the first round nothing of what is done again counts
any more; only then does the second one take back what somebody else decided meanwhile, from what still counted. So an order that was
interrupted goes on where it was, and a decision that is older than it can no longer be written.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from services.sequencer.domain.decide import PARENT_SECONDS
from services.sequencer.domain.own import own_again
from services.sequencer.domain.phases import How, Move
from services.sequencer.domain.task import Task
from shared.contracts.phases import Phase
from shared.downstream import FIELDS, Downstream, Graph
from shared.ids import above

OUTLINE = (*FIELDS, "phase", "passes", "error", "reruns")
"""What must be known of all tasks of a run to say which of them an order reopens."""
REVIVABLE = (Phase.FAILED, Phase.CANCELLED)
HALF, HALF_OF_PASSED = "-", "+"
"""What ends the mark of the first round; the second where the task had let its dependents go."""
MOST_KEPT = 8

Outlines = Mapping[str, Mapping[str, Any]]


def marks_of(order: str) -> list[str]:
    """What an order leaves on the tasks that it reaches."""
    return [order, order + HALF, order + HALF_OF_PASSED]


def is_begun(reruns: Iterable[str], order: str) -> bool:
    """Whether the order has reached the task with these marks."""
    return not set(marks_of(order)).isdisjoint(reruns)


def of_rerun(outlines: Outlines, task_id: str) -> Downstream:
    """The task, and all that was, or will be, done after it."""
    return Graph(outlines.values()).downstream([task_id])


def of_retry(outlines: Outlines, task_id: str, order: str) -> Downstream:
    """The task, what ended badly below it, what was given up because of it, and what was done although it was not."""
    graph = Graph(outlines.values())
    again, around = _revived(graph, [task_id], outlines=outlines, order=order), set(above(task_id))
    waiting = [*again, *around]
    while waiting:
        before = outlines.get(name := waiting.pop(), {})
        hopeless = [one for one in graph.dependents(name) if one not in again and _is_hopeless(outlines[one], before, order)]
        found = _revived(graph, hopeless, outlines=outlines, order=order)
        again |= found
        waiting += found
    passed = [name for name in (*again, *around) if name in outlines and _has_passed(outlines[name], order)]
    later = graph.downstream(dependent for name in passed for dependent in graph.dependents(name))
    again |= later.again
    return Downstream(frozenset(again), frozenset(around - again))


def _revived(graph: Graph, tops: Iterable[str], *, outlines: Outlines, order: str) -> set[str]:
    """These, and below them what ended badly; not below what was done, or skipped, all the same."""
    found: set[str] = set()
    waiting = list(tops)
    while waiting:
        found.add(name := waiting.pop())
        waiting += [child for child in graph.children(name) if _is_revivable(outlines[child], order)]
    return found


def _is_revivable(outline: Mapping[str, Any], order: str) -> bool:
    return outline["phase"] in REVIVABLE or is_begun(outline.get("reruns", ()), order)


def _is_hopeless(outline: Mapping[str, Any], before: Mapping[str, Any], order: str) -> bool:
    """Given up because of the one `before`, or about to be: somebody may just be giving up what still waits for it."""
    given_up = outline["phase"] == Phase.CANCELLED and (outline.get("error") or {}).get("code") == "dependency_failed"
    may_be_given_up = outline["phase"] == Phase.BLOCKED and before.get("phase") in REVIVABLE
    return given_up or may_be_given_up or is_begun(outline.get("reruns", ()), order)


def _has_passed(outline: Mapping[str, Any], order: str) -> bool:
    return bool(outline["passes"]) or order + HALF_OF_PASSED in outline.get("reruns", ())


def next_moves(tasks: Mapping[str, Task], what: Downstream, order: str, *, paused: bool, anew: str | None = None) -> list[list[Move]]:
    """The next moves of an order, those of one list before those of the next; none: all is reopened. Asked again after each time.

    The task `anew`, and what is below it, is not to be answered from what models were asked before.
    """
    again = [task for name in what.again if (task := tasks.get(name))]
    around = [task for name in what.around if (task := tasks.get(name))]
    first = [joined_again(task, order, paused=paused) for task in around if not is_begun(task.reruns, order)]
    first = first or [reset(task, order, paused=paused, anew=_is_in(task, anew)) for task in again if not is_begun(task.reruns, order)]
    if first:
        return _by_depth(first)
    second = (
        [reset(task, order, paused=paused, anew=_is_in(task, anew)) for task in again if order not in task.reruns],
        [joined_again(task, order, paused=paused) for task in around if order not in task.reruns],
    )
    return [moves for moves in second if moves]


def _is_in(task: Task, top: str | None) -> bool:
    return top is not None and (task.task_id == top or task.task_id.startswith(f"{top}."))


def reset(task: Task, order: str, *, paused: bool, anew: bool = False) -> Move:
    """As if it had never begun, but for what people told its agent. It keeps its plan: those below it are done again as well."""
    fields = _afresh(task, order, paused=paused) | {"losses": 0, "approved": False} | ({"anew": order} if anew else {})
    return _reopened(task, Phase.EXPANDED if task.children and task.parent_id is None else Phase.BLOCKED, fields)


def joined_again(task: Task, order: str, *, paused: bool) -> Move:
    """Its own part, after all below it, is done again; whoever allowed it to start need not be asked again."""
    waits_to_start = task.phase is Phase.AWAITING_APPROVAL and (task.checkpoint or {}).get("when") == "before"
    may_have_to_wait = task.closed and task.parent_id is not None
    has_begun = task.children and not (task.phase is Phase.BLOCKED or waits_to_start or may_have_to_wait)
    target = Phase.EXPANDED if has_begun else Phase.BLOCKED
    return _reopened(task, target, _afresh(task, order, paused=paused))


def _reopened(task: Task, target: Phase, fields: dict[str, Any]) -> Move:
    return Move(task, How(target, renew=True, wait=PARENT_SECONDS, fields=tuple(fields.items())))


def _afresh(task: Task, order: str, *, paused: bool) -> dict[str, Any]:
    earlier = [mark for mark in task.reruns if not is_begun([mark], order)][-MOST_KEPT:]
    half = HALF_OF_PASSED if task.passes else HALF
    mark = order if is_begun(task.reruns, order) else order + half
    fields: dict[str, Any] = dict.fromkeys(("error", "approval_id", "asking", "finished_at"))
    fields |= {"attempts": 0, "nudges": 0, "reruns": (*earlier, mark)}
    if task.closed or paused:
        fields["paused"] = paused
    if task.closed:
        fields |= {"was_over": True, "brought_back": order}
    # What a group is planned as stands in the notes; a plan that came of how a try ended is not wanted any more.
    if task.phase is Phase.REPLANNING or (task.phase is Phase.EXPANDING and task.kind != "group"):
        version = task.plan_version + 1
        fields |= {"plan_version": version, "dropped": (*task.dropped, version)}
    return fields | own_again(task)


def _by_depth(moves: Iterable[Move]) -> list[list[Move]]:
    """A parent before its children: an open task whose parent is over would be taken for an orphan."""
    levels: dict[int, list[Move]] = {}
    for move in moves:
        levels.setdefault(move.task.depth, []).append(move)
    return [levels[depth] for depth in sorted(levels)]

"""Sees every change of the store as it happens, and says at once when one should not have been: at the end nobody could tell any more."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.sequencer.domain.grow import plan_version_of
from services.sequencer.domain.phases import is_legal
from shared.clock import Clock
from shared.contracts.phases import TERMINAL, Phase, legal_actions
from shared.memory.store import MemoryCollection, MemoryDatabase
from shared.storage.port import Doc

Document = Mapping[str, Any]

LIVE_WAITS = frozenset(Phase) - TERMINAL - {Phase.BLOCKED}
"""Who is in one of these waits for what may be lost, and so must have a `due_at`. A blocked task waits for tasks, which have one."""


TOLD = frozenset({Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED})
"""Ends of which dependents are told one by one. What is cancelled takes along all that is below it at once."""


@dataclass(frozen=True, slots=True)
class Change:
    """A task went from one phase to another, or was born (`before` is None). `order` counts all that is seen, so that it compares."""

    order: int
    at: float
    task_id: str
    before: Phase | None
    after: Phase
    epoch: int
    question: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt was begun: when, whether its parent was open then, and for how many seconds its task had been paused by then, or
    had had a newer epoch."""

    order: int
    at: float
    parent_open: bool
    paused_for: float
    outdated_for: float


class Watch:
    """What was seen. Everything in the world that has an order takes its number from `next`.

    `moments` are those at which an order meets something else that happens to its task: it is being planned, begun, or has just ended.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.changes: list[Change] = []
        self.claims: dict[str, Claim] = {}
        self.paused: dict[str, float] = {}
        self.held: Counter[str] = Counter()
        self.raised: dict[str, float] = {}
        self.violations: list[str] = []
        self.tasks: dict[str, Doc] = {}
        self.open: set[str] = set()
        self.questions: dict[str, Doc] = {}
        self.controls: dict[str, Doc] = {}
        self.noted: dict[str, int] = {}
        self.given_up: set[str] = set()
        self.moments: list[tuple[str, str]] = []
        self._order = 0

    def next(self) -> int:
        """The number of what happens now."""
        self._order += 1
        return self._order

    def saw(self, collection: str, before: Document | None, after: Document | None) -> None:
        """A document was born, changed, or went."""
        name = (after or before or {})["_id"]
        for problem in LOOKS[collection](self, before, after):
            self.violations.append(f"{self.now():.4f} {name}: {problem}")


def _task(watch: Watch, before: Document | None, after: Document | None) -> list[str]:
    if after is None:
        return _removed(watch, before or {})
    phase, name = Phase(after["phase"]), after["_id"]
    earlier = Phase(before["phase"]) if before else None
    watch.tasks[name] = dict(after)
    (watch.open.add if after["open"] else watch.open.discard)(name)
    if after.get("paused") and after["open"]:
        watch.held[name] += bool(before and before["open"] and not before.get("paused"))
        watch.paused.setdefault(name, watch.now())
    else:
        watch.paused.pop(name, None)
    if earlier is not phase and phase is Phase.EXPANDING:
        watch.moments.append(("planned", name))
    for control in after.get("dealt", ()):
        watch.noted.setdefault(control, watch.next())
    _changed(watch, before or {}, after, earlier=earlier, phase=phase)
    problems = _state(after, phase)
    if earlier is not phase and phase in TOLD and after.get("dependents") and "due_at" not in after:
        problems.append(f"it is {phase}, its dependents do not know, and nothing is due")
    if before and earlier is not None:
        problems += _move(before, after, earlier=earlier, phase=phase)
    return problems


def _changed(watch: Watch, before: Document, after: Document, *, earlier: Phase | None, phase: Phase) -> None:
    name, raised = after["_id"], after["epoch"] > before.get("epoch", -1)
    if raised:
        watch.raised[name] = watch.now()
    if earlier is not phase or raised:
        why = (after.get("error") or {}).get("message", "")
        watch.changes.append(Change(watch.next(), watch.now(), name, earlier, phase, after["epoch"], before.get("approval_id"), why))


def _removed(watch: Watch, task: Document) -> list[str]:
    """Only what grew from a plan that was given up while it was adopted may go."""
    name, parent = task["_id"], watch.tasks.get(task.get("parent_id") or "", {})
    watch.open.discard(name)
    watch.paused.pop(name, None)
    watch.tasks.pop(name, None)
    return [] if plan_version_of(name) in parent.get("dropped", ()) else ["a task was deleted"]


def _state(task: Document, phase: Phase) -> list[str]:
    problems = []
    if task["open"] is (phase in TERMINAL):
        problems.append(f"it is {phase} and open is {task['open']}")
    if phase in LIVE_WAITS and "due_at" not in task:
        problems.append(f"it is {phase}, and nothing is due")
    if phase in TERMINAL and "finished_at" not in task:
        problems.append(f"it is {phase} and has no time of its end")
    if task["passes"] and phase not in (Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED):
        problems.append(f"it is {phase} and lets its dependents go")
    return problems


def _move(before: Document, after: Document, *, earlier: Phase, phase: Phase) -> list[str]:
    problems = []
    if after["epoch"] < before["epoch"]:
        problems.append(f"its epoch fell from {before['epoch']} to {after['epoch']}")
    raised = after["epoch"] > before["epoch"]
    if phase is not earlier and not is_legal(earlier, phase, renews=raised):
        problems.append(f"it went from {earlier} to {phase}{' under a new epoch' if raised else ''}")
    if phase is not earlier and phase in (Phase.READY, Phase.INTEGRATING) and not raised:
        problems.append(f"it went from {earlier} to {phase} without a new epoch")
    return problems


def _attempt(watch: Watch, before: Document | None, after: Document | None) -> list[str]:
    if after is None:
        return ["an attempt was deleted"]
    if before is None:
        task = watch.tasks.get(after["task_id"], {})
        parent = watch.tasks.get(task.get("parent_id") or "", {"open": True})
        paused_for = watch.now() - watch.paused.get(after["task_id"], watch.now())
        watch.moments.append(("begun", after["task_id"]))
        outdated_for = watch.now() - watch.raised.get(after["task_id"], 0.0) if task.get("epoch", 0) > after.get("epoch", 0) else 0.0
        watch.claims[after["_id"]] = Claim(watch.next(), watch.now(), bool(parent["open"]), paused_for, outdated_for)
    elif after["state"] != "running":
        watch.moments.append(("ended", after["task_id"]))
    return _leased(before, after)


def _verdict(_watch: Watch, before: Document | None, after: Document | None) -> list[str]:
    if after is None:
        return ["a verdict that was done was deleted"] if before and before["state"] == "done" else []
    return _leased(before, after)


def _leased(before: Document | None, after: Document) -> list[str]:
    """Of what is done under a lease: it waits for its time while it runs, and ends once."""
    problems = []
    if after["state"] == "running" and "due_at" not in after:
        problems.append("it is running, and nothing is due")
    if before and before["state"] != "running":
        problems.append(f"it had ended as {before['state']}, and was written again as {after['state']}")
    return problems


def _approval(watch: Watch, before: Document | None, after: Document | None) -> list[str]:
    if after is None:
        return ["a question was deleted"]
    if after["state"] == "pending":
        watch.questions[after["_id"]] = dict(after)
    else:
        watch.questions.pop(after["_id"], None)
    if before is None:
        return []
    if before["state"] not in ("pending", after["state"]):
        return [f"it was settled as {before['state']}, and then as {after['state']}"]
    kept = after["decisions"][: len(before["decisions"])] == before["decisions"]
    return [] if kept else ["answers were lost"]


def _asked(watch: Watch, before: Document | None, after: Document | None) -> list[str]:
    """What was accepted: submissions and orders, kept for good, and said again until they are known to have arrived."""
    if after is None:
        return ["what was accepted was deleted"]
    if before is None and after["kind"] == "control":
        watch.controls[after["_id"]] = dict(after)
    if before and before["kind"] == "control" and after["state"] == "done":
        task = watch.tasks.get(after["task_id"])
        if task is None or after["event"]["action"] not in legal_actions(Phase(task["phase"]), paused=bool(task.get("paused"))):
            watch.given_up.add(after["_id"])
    waits = after["kind"] != "key" and after["state"] in ("accepted", "said")
    return ["it is not known to have arrived, and nothing is due"] if waits and "due_at" not in after else []


def _audited(_watch: Watch, before: Document | None, _after: Document | None) -> list[str]:
    return ["an entry was changed"] if before else []


LOOKS: dict[str, Callable[[Watch, Document | None, Document | None], list[str]]] = {
    "tasks": _task,
    "attempts": _attempt,
    "verdicts": _verdict,
    "approvals": _approval,
    "submissions": _asked,
    "audit": _audited,
}


class WatchedCollection(MemoryCollection):
    """A collection whose changes are told to the watch."""

    def __init__(self, name: str, clock: Clock, watch: Watch) -> None:
        super().__init__(name, clock)
        self._watch = watch

    def _keep(self, doc: Doc) -> None:
        super()._keep(doc)
        self._watch.saw(self.name, None, doc)

    def _replace(self, old: Doc, new: Doc) -> None:
        super()._replace(old, new)
        self._watch.saw(self.name, old, new)

    def _remove(self, doc: Doc) -> None:
        super()._remove(doc)
        self._watch.saw(self.name, doc, None)


class WatchedDatabase(MemoryDatabase):
    """The twin of the store, watched."""

    def __init__(self, clock: Clock, watch: Watch) -> None:
        super().__init__(clock)
        self._watch = watch

    def _collection(self, name: str) -> MemoryCollection:
        if name in LOOKS and name not in self._collections:
            self._collections[name] = WatchedCollection(name, self._clock, self._watch)
        return super()._collection(name)

"""A run as the sequencer sees it: everybody else is played here, by hand. The handlers, the store and the sweep are the real ones."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from services.planner.store import PlanStore
from services.sequencer.deps import Deps
from services.sequencer.domain.decide import Patience
from services.sequencer.handlers import HEARS
from services.sequencer.metrics import SequencerMetrics
from services.sequencer.store import SCHEMAS, TaskStore
from services.sequencer.sweep import sweep
from shared.clock import ServerClock
from shared.contracts.approvals import ApprovalDecided, TaskControl
from shared.contracts.base import Event
from shared.contracts.checker import TaskVerified
from shared.contracts.phases import TERMINAL, Action, Phase
from shared.contracts.plan import Plan, RunOptions, TaskSpec
from shared.contracts.planner import PlanFailed, PlanProposed
from shared.ids import attempt_id, new_id, plan_id
from shared.memory.store import MemoryDatabase
from shared.storage.port import Doc
from shared.telemetry.metrics import ServiceMetrics
from tests.unit.sequencer.tasks import RUN, tells_nothing

Result = TypeVar("Result")

DISPATCHED = (Phase.READY, Phase.INTEGRATING)
ASKING = (Phase.AWAITING_APPROVAL, Phase.ESCALATED)
PLANNING = (Phase.EXPANDING, Phase.REPLANNING)
CHILDREN_FAILED = {"code": "children_failed", "message": "not done below it", "permanent": True}
FAILED = {"code": "check_failed", "message": "check not passed", "permanent": False}


class Course:
    """One run from its plan on."""

    def __init__(self, *specs: TaskSpec, store: type[TaskStore] = TaskStore) -> None:
        self._loop = asyncio.new_event_loop()
        clock, registry = ServerClock(), CollectorRegistry()
        self.database = MemoryDatabase(clock)
        self.plans = PlanStore(self.database, clock)
        tasks = store(self.database, clock, SequencerMetrics(registry))
        self.deps = Deps(tasks, self.database, Patience(0, 0), ServiceMetrics(registry), tell=tells_nothing)
        self.spoken: list[Event] = []
        self.docs: dict[str, Doc] = {}
        self.do(self.database.ensure(SCHEMAS))
        self.keep(Plan(task_id=RUN, planner="import", title="run", tasks=specs))
        self.hear(PlanProposed(run_id=RUN, task_id=RUN, plan_id=plan_id(RUN, 1), version=1))

    def keep(self, plan: Plan) -> None:
        """The planner has made it."""
        self.do(self.plans.keep(plan, reason="expand", options=RunOptions(), submitted_by="ann"))

    def do(self, what: Coroutine[Any, Any, Result]) -> Result:
        """Wait for something."""
        return self._loop.run_until_complete(what)

    def close(self) -> None:
        self._loop.close()

    def look(self) -> None:
        """Read where everything stands."""
        found = self.do(self.database["tasks"].find({}, sort=(("_id", 1),)))
        self.docs = {doc["_id"]: doc for doc in found}

    def hear(self, *events: Event) -> None:
        """The sequencer hears these, each type in a batch of its own; they may be said again later."""
        for kind in dict.fromkeys(type(event) for event in events):
            self.do(HEARS[kind]([event for event in events if type(event) is kind], self.deps))
        self.spoken += [event for event in events if event not in self.spoken]
        self.look()

    def sweep(self) -> None:
        """All that waits is due, and looked at."""
        self.do(self.database["tasks"].update({"due_at": {"$exists": True}}, {"$set": {"due_at": self.deps.tasks.clock.now()}}))
        self.do(sweep(self.deps))
        self.look()

    def in_phase(self, *phases: Phase) -> list[Doc]:
        """The tasks that stand there, in the order of their ids."""
        return [doc for doc in self.docs.values() if doc["phase"] in phases]

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.docs[RUN]["phase"] in TERMINAL

    def verdict(self, task: Doc, judgement: str) -> TaskVerified:
        """The checker has judged the task's attempt; what it said first counts."""
        attempt, error = attempt_id(task["_id"], task["epoch"]), FAILED if judgement == "failed" else None
        if task["phase"] == Phase.INTEGRATING and judgement == "passed" and self._has_failed_child(task):
            judgement, error = "failed", CHILDREN_FAILED
        doc = {"_id": attempt, "epoch": task["epoch"], "state": "done", "judgement": judgement, "error": error, "reason": "because"}
        self.do(self.database["verdicts"].insert([doc]))
        return TaskVerified(run_id=RUN, verdicts=(attempt,))

    def decision(self, task: Doc, choice: str) -> ApprovalDecided:
        """A person has answered what is asked about the task; the first answer counts."""
        kind = task["asking"]["kind"]
        said = choice if choice in task["asking"]["choices"] else task["asking"]["choices"][0]
        answer = {"by": "ann", "comment": "so be it", "result": {"summary": "done by hand"}}
        doc = {"_id": task["approval_id"], "task_id": task["_id"], "kind": kind, "state": said, "decisions": [answer]}
        self.do(self.database["approvals"].insert([doc]))
        return ApprovalDecided(run_id=RUN, task_id=task["_id"], approval_id=task["approval_id"])

    def proposal(self, task: Doc, *, size: int) -> PlanProposed | PlanFailed:
        """The planner's answer: a plan of so many tasks (that of a nested group is there already), or none."""
        version = task.get("plan_version", 0) + 1
        found = self.do(self.database["plans"].find({"_id": plan_id(task["_id"], version)}))
        if not found and not size:
            return PlanFailed(run_id=RUN, task_id=task["_id"], plan_id=plan_id(task["_id"], version), reason="expand", error="no idea")
        if not found:
            tasks = [TaskSpec(key=f"n{number}", title=f"n{number}", agent="python") for number in range(size)]
            self.keep(Plan(task_id=task["_id"], version=version, planner="model", tasks=tuple(tasks)))
        return PlanProposed(run_id=RUN, task_id=task["_id"], plan_id=plan_id(task["_id"], version), version=version)

    def order(self, task: Doc, action: Action) -> TaskControl:
        """A person orders something."""
        result = {"summary": "done by hand"} if action is Action.COMPLETE else None
        return TaskControl(run_id=RUN, task_id=task["_id"], control_id=new_id(), action=action, by="ann", result=result)

    def _has_failed_child(self, task: Doc) -> bool:
        children = [doc for doc in self.docs.values() if doc.get("parent_id") == task["_id"]]
        return any(doc["phase"] not in (Phase.COMPLETED, Phase.SKIPPED) for doc in children)

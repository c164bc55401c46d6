"""Pure decisions of the executor: what may be claimed, and how an answer is written down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.executor.agents.answers import Answer, Asks, Done
from shared.catalogue.agents import Lane, known_agents
from shared.contracts.executor import Outcome
from shared.contracts.phases import Phase
from shared.contracts.plan import PRIORITY, TaskSpec
from shared.errors import AgentFailed
from shared.ids import attempt_id

CLAIMABLE = frozenset({Phase.READY, Phase.INTEGRATING})


@dataclass(frozen=True, slots=True)
class Claim:
    """One try at one task, as far as the executor needs to know the task."""

    attempt_id: str
    task_id: str
    run_id: str
    epoch: int
    agent: str
    lane: Lane
    priority: int
    task: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """What is inserted to claim it."""
        return {"_id": self.attempt_id, "task_id": self.task_id, "run_id": self.run_id, "epoch": self.epoch, "agent": self.agent}


def claim_from(doc: Mapping[str, Any], epoch: int) -> Claim | None:
    """A claim on a task that was hinted at; None when it has moved on since, or is paused."""
    if doc["phase"] not in CLAIMABLE or doc["epoch"] != epoch or doc.get("paused"):
        return None
    agent = doc.get("agent") or "none"
    lane: Lane = known_agents()[agent].lane if agent in known_agents() else "process"
    return Claim(attempt_id(doc["_id"], epoch), doc["_id"], doc["run_id"], epoch, agent, lane, doc.get("priority", PRIORITY), doc)


def is_still_wanted(claim: Claim, doc: Mapping[str, Any] | None) -> bool:
    """Whether the task still waits for this attempt: it was not cancelled, and no newer epoch has begun."""
    return doc is not None and doc["phase"] in CLAIMABLE and doc["epoch"] == claim.epoch


def written(answer: Answer) -> dict[str, Any]:
    """How an answer is kept on the attempt."""
    if isinstance(answer, Done):
        facts = {"facts": dict(answer.facts)} if answer.facts else {}
        return {"state": Outcome.EXECUTED.value, "result": answer.result.wire(), **facts}
    if isinstance(answer, Asks):
        return {"state": Outcome.ASKS.value, "reason": answer.question}
    return {"state": Outcome.TOO_BIG.value, "reason": answer.reason, "proposal": [_proposed(task) for task in answer.subtasks]}


def _proposed(task: TaskSpec) -> dict[str, Any]:
    """As JSON types, without what nobody has set: that it has as any task has it, or from the task that it is part of."""
    return task.model_dump(mode="json", by_alias=True, exclude_unset=True)


def failed(error: BaseException) -> dict[str, Any]:
    """How a failure is kept on the attempt."""
    code = error.code if isinstance(error, AgentFailed) else "exception"
    permanent = isinstance(error, AgentFailed) and error.permanent
    message = (str(error) or type(error).__name__).encode(errors="replace").decode()  # names of files may hold what no document can
    return {"state": Outcome.FAILED.value, "error": {"code": code, "message": message[-8_192:], "permanent": permanent}}


LOST = {
    "state": Outcome.LOST.value,
    "error": {"code": "lost", "message": "its executor stopped answering, and the lease ran out", "permanent": False},
}

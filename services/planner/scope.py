"""What a model is told of one task that needs a plan of its own: goals above it, its notes, its inputs, why it needs one."""

from dataclasses import dataclass

from services.planner.keeping import Wanted
from services.planner.planners.base import Means, PlanRequest, Scope
from services.planner.planners.model.notes import excerpt
from services.planner.store import PlanStore
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.phases import Phase
from shared.contracts.plan import NotesFile, RunOptions
from shared.errors import LimitExceeded
from shared.ids import above
from shared.models.fence import shortened
from shared.storage.port import Doc

MOST_BREAKDOWNS = 3
MOST_NOTES = 20
MOST_NEEDS = 50
ASKING = (Phase.EXPANDING, Phase.REPLANNING)


@dataclass(frozen=True, slots=True)
class Around:
    """The task, those above it from the root down, what started the run, and what was planned for the task before."""

    task: Doc
    ancestors: tuple[Doc, ...]
    submission: TaskSubmitted | None
    replanned: int
    refused: str

    def refuse_if_hopeless(self, wanted: Wanted) -> None:
        """Raises LimitExceeded where people allowed something else, or another model would only be paid for more of the same."""
        if allowed := next((doc for doc in (self.task, *reversed(self.ancestors)) if _had_to_be_allowed(doc)), None):
            raise LimitExceeded(
                f"people are asked before {allowed['title']!r} begins, and what they allow is what they were shown: "
                "a model plans nothing else in its place; a person must decide"
            )
        splits = sum(doc.get("kind") != "group" for doc in self.ancestors)
        if splits >= MOST_BREAKDOWNS:
            raise LimitExceeded(
                f"it lies below {splits} tasks that were broken down already, and models may do that {MOST_BREAKDOWNS} times; "
                "do it by hand, or split it in the notes"
            )
        if wanted.reason == "replan" and self.replanned:
            raise LimitExceeded("a new plan was made for it already, and it failed as well; a person must decide")

    def request(self, wanted: Wanted, means: Means, *, why: str) -> PlanRequest:
        """The request for a plan of this task alone."""
        submission, task = self.submission, self.task
        scope = Scope(
            title=task["title"],
            description=_instructions(task),
            why=why,
            goals=tuple((doc["title"], doc.get("description", "")) for doc in self.ancestors),
            checks=tuple(task.get("checks") or ()),
            needs=tuple((doc["key"], doc["title"]) for doc in task.get("needs", ())),
        )
        options = submission.options if submission else RunOptions()
        notes = self._notes(budget=means.context_bytes // 2)
        return PlanRequest(wanted.task_id, "", notes, options, means=means, scope=scope, refused=self.refused)

    def _notes(self, *, budget: int) -> tuple[NotesFile, ...]:
        given = self.submission.notes if self.submission else ()
        found = excerpt(given, (self.task.get("notes") or ())[:MOST_NOTES])
        each = budget // max(1, len(found))
        return tuple(one.model_copy(update={"text": shortened(one.text, each)}) for one in found)


async def around(plans: PlanStore, wanted: Wanted) -> Around | None:
    """What lies around the task; None when it does not wait for this plan any more."""
    docs = {doc["_id"]: doc for doc in await plans.tasks([*above(wanted.task_id), wanted.task_id])}
    task = docs.get(wanted.task_id)
    if task is None or task["phase"] not in ASKING or task.get("plan_version", 0) + 1 != wanted.version:
        return None
    task["needs"] = await plans.tasks((task.get("dependencies") or ())[:MOST_NEEDS])
    earlier = await plans.headers_of(wanted.task_id)
    last = next((header for header in earlier if header["version"] == wanted.version - 1), {})
    return Around(
        task=task,
        ancestors=tuple(docs[name] for name in above(wanted.task_id) if name in docs),
        submission=await plans.submission(wanted.run_id),
        replanned=sum(header["state"] == "proposed" and header["reason"] == "replan" for header in earlier),
        refused=last.get("error") or "",
    )


def _had_to_be_allowed(task: Doc) -> bool:
    return (task.get("checkpoint") or {}).get("when") == "before"


def _instructions(task: Doc) -> str:
    """What the task is about, in its own words: a script, too, tells what was tried."""
    inputs = task.get("inputs") or {}
    parts = [task.get("description", ""), inputs.get("instructions", ""), inputs.get("script", "")]
    return "\n\n".join(str(part) for part in parts if part)

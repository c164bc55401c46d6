"""Plans that are made, and reasons why there is none: kept once, and said from what is kept."""

import asyncio
from dataclasses import asdict, dataclass, fields
from typing import Self

import orjson
import structlog

from services.planner.lint import lint
from services.planner.metrics import PlannerMetrics
from services.planner.store import PlanStore
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.plan import Plan, RunOptions
from shared.contracts.planner import PlanFailed, PlanProposed, PlanReason
from shared.ids import plan_id
from shared.storage.port import Doc

MOST_ERROR = 16_384
MOST_FINDINGS = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which plan somebody needs, and why; `failures` are those so far, for a new plan."""

    run_id: str
    task_id: str
    version: int
    reason: PlanReason
    failures: tuple[str, ...] = ()

    @property
    def plan_id(self) -> str:
        """The plan's id."""
        return plan_id(self.task_id, self.version)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is claimed for a plan that takes long: all that another planner needs to go on with it."""

    wanted: Wanted
    submission: TaskSubmitted | None = None

    def document(self) -> Doc:
        """To be inserted."""
        wanted = self.wanted
        text = orjson.dumps({"wanted": asdict(wanted), "submission": self.submission.wire() if self.submission else None}).decode()
        return {"_id": wanted.plan_id, "run_id": wanted.run_id, "task_id": wanted.task_id, "reason": wanted.reason, "asked": text}

    @classmethod
    def read(cls, planning: Doc) -> Self:
        """From the document."""
        given = orjson.loads(planning["asked"])
        # A planner of another version may have noted more, or less.
        noted = {field.name: given["wanted"][field.name] for field in fields(Wanted) if field.name in given["wanted"]}
        wanted = Wanted(**{**noted, "failures": tuple(noted.get("failures", ()))})
        return cls(wanted, TaskSubmitted.model_validate(given["submission"]) if given["submission"] else None)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Writes the slice of plans."""

    plans: PlanStore
    metrics: PlannerMetrics

    async def already(self, plan: str) -> Event | None:
        """What was said of this plan, if it is there or failed."""
        header = await self.plans.header(plan)
        return said(header) if header else None

    async def kept(self, plan: Plan, *, reason: PlanReason, options: RunOptions, submitted_by: str) -> Event:
        """There is a plan. What is odd about it is kept beside it where a person will look at it first."""
        findings = await asyncio.to_thread(_odd, plan) if options.review else []
        header = await self.plans.keep(plan, reason=reason, options=options, submitted_by=submitted_by, findings=findings)
        self.metrics.plans.labels(planner=plan.planner, outcome="proposed").inc()
        log.info("plan.proposed", task_id=plan.task_id, planner=plan.planner, tasks=header.get("count", 0))
        return said(header)

    async def failed(self, wanted: Wanted, error: str) -> Event:
        """There is none, and why."""
        short = error.encode(errors="replace").decode()[:MOST_ERROR]
        header = await self.plans.keep_failure(wanted.task_id, wanted.version, reason=wanted.reason, error=short)
        self.metrics.plans.labels(planner="none", outcome="failed").inc()
        log.warning("plan.failed", task_id=wanted.task_id, reason=wanted.reason, error=short)
        return said(header)


def _odd(plan: Plan) -> list[Doc]:
    return [asdict(finding) | {"path": list(finding.path)} for finding in lint(plan)[:MOST_FINDINGS]]


def said(header: Doc) -> Event:
    """The event for a kept plan or a kept failure."""
    about = {"run_id": header["run_id"], "task_id": header["task_id"], "plan_id": header["_id"]}
    if header["state"] == "failed":
        return PlanFailed(**about, reason=header["reason"], error=header["error"])
    return PlanProposed(**about, version=header["version"])

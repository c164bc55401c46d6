"""What the planner says."""

from typing import Literal

from shared.contracts.base import WHOLE, Event

PlanReason = Literal["submitted", "expand", "replan"]


class PlanProposed(Event, name="plan.proposed", said_by="planner", heard_by=("sequencer", "approvals"), weighs=WHOLE):
    """There is a plan for a task."""

    task_id: str
    plan_id: str
    version: int


class PlanFailed(Event, name="plan.failed", said_by="planner", heard_by=("sequencer", "approvals")):
    """There is no plan for a task, and why."""

    task_id: str
    plan_id: str
    reason: PlanReason
    error: str

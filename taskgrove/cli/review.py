"""A question with what it is about: of a plan review the tasks of the plan, which nobody can judge unseen."""

from rich.padding import Padding

from shared.contracts.plan import Plan
from shared.contracts.views import ApprovalView
from shared.errors import NotFound
from taskgrove.cli.approval_text import show_approval
from taskgrove.cli.plan_view import plan_tree
from taskgrove.cli.screen import Screen
from taskgrove.client import Client


async def show_question(screen: Screen, approval: ApprovalView, client: Client) -> None:
    """The question with all that is known about it."""
    plan = await _plan_of(approval, client)
    show_approval(screen, approval)
    if plan is not None:
        screen.show(Padding(plan_tree(plan, rest=f"the dashboard shows more: /runs/{approval.run_id}/plan"), (0, 0, 0, 2)))


async def _plan_of(approval: ApprovalView, client: Client) -> Plan | None:
    """The plan that an open plan review asks about; None as well from a Taskgrove that is too old to show it."""
    if approval.kind != "plan_review" or approval.state != "pending":
        return None
    try:
        return await client.plan(approval.task_id)
    except NotFound:
        return None

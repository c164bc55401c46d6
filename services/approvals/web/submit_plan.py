"""The plan of a run before it starts: looked at, then started, changed or discarded."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.answering import answer_question, find_question
from services.approvals.api import orders
from services.approvals.api.access import LOOK, CallerHere, DepsHere, requires
from services.approvals.api.bodies import DecisionBody, UpdateBody
from services.approvals.api.loading import submitter_of
from services.approvals.deps import Deps
from services.approvals.domain.deciding import APPROVE, PENDING
from services.approvals.domain.principals import APPROVER, SUBMITTER
from services.approvals.web.pages import page, render, see_other
from services.approvals.web.plan import load_preview
from services.approvals.web.run import Here, find_run
from shared.contracts.phases import Action, Phase
from shared.errors import Conflict, NotFound
from shared.storage.port import Doc

router = APIRouter(include_in_schema=False)


@router.get("/runs/{run_id}/plan", dependencies=[LOOK])
async def show(run_id: str, request: Request, deps: DepsHere, *, caller: CallerHere) -> Response:
    """The page."""
    here = await find_run(deps, run_id)
    return await page(request, "submit_plan.html", **await _values(deps, run_id, here, who=caller))


@router.get("/ui/runs/{run_id}/plan", dependencies=[LOOK])
async def part(run_id: str, request: Request, deps: DepsHere, *, caller: CallerHere) -> Response:
    """The same without the frame, for a page that waits for the planner."""
    here = await find_run(deps, run_id)
    return render(request, "submit_plan_part.html", **await _values(deps, run_id, here, who=caller))


@router.post("/runs/{run_id}/start", dependencies=[requires(APPROVER)])
async def start(
    run_id: str,
    deps: DepsHere,
    *,
    caller: CallerHere,
    approval: Annotated[str, Form(max_length=400)],
    digest: Annotated[str, Form(max_length=100)],
) -> Response:
    """Approve the plan that was shown, and no other."""
    if (await find_question(deps, approval))["run_id"] != run_id:
        raise NotFound(f"the run {run_id} has no approval {approval!r}, and was not started; /runs/{run_id}/plan shows what it waits for")
    body = DecisionBody(approval_id=approval, decision=APPROVE, digest=digest, comment="started from its preview")
    await answer_question(deps, body, caller)
    return see_other(f"/runs/{quote(run_id)}")


@router.post("/runs/{run_id}/discard", dependencies=[requires(APPROVER, SUBMITTER)])
async def discard(run_id: str, deps: DepsHere, *, caller: CallerHere) -> Response:
    """Cancel the run that was never started."""
    if await _review(deps, run_id) is None:
        raise Conflict(f"{run_id} is no draft any more, and was not discarded; on its page /runs/{run_id} a run can be cancelled")
    body = UpdateBody(action=Action.CANCEL, reason="discarded before it was started")
    await orders.order(run_id, body, deps, caller=caller)
    return see_other("/submit" if caller.has(SUBMITTER) else f"/runs/{quote(run_id)}")


async def _values(deps: Deps, run_id: str, here: Here, *, who: CallerHere) -> dict[str, Any]:
    header = await deps.looking.newest_plan(run_id, here.root)
    is_there = header is not None and header["state"] == "proposed"
    review = await _review(deps, run_id)
    by = await submitter_of(deps, run_id)
    is_made = header is None and not here.head.ended
    is_taken_up = is_there and review is None and _is_about_to_ask(here)
    # A page that waits asks again and again, and shows nothing of the plan.
    preview = await load_preview(deps, header) if header and is_there and not is_taken_up else None
    return {
        "run_id": run_id,
        "head": here.head,
        "plan": preview,
        "error": _why_none(header, here),
        "review": review,
        "may_start": bool(review) and who.may_answer(review["approvers"]) if review else False,
        "may_discard": who.has(APPROVER, SUBMITTER) and who.may_order(by),
        "planning": is_made or is_taken_up,
    }


def _is_about_to_ask(here: Here) -> bool:
    """Whether the plan is there and nobody was asked yet: the question is written a moment after the task waits for its answer."""
    phase, asked = here.head.phase, (here.root or {}).get("approval_id") or ""
    return phase == Phase.EXPANDING or (phase == Phase.AWAITING_APPROVAL and ":plan:" in asked)


def _why_none(header: Doc | None, here: Here) -> str:
    """Why there is no plan and none will come; empty: there is one, or it is being made."""
    if header:
        return str(header["error"]) if header["state"] == "failed" else ""
    if not here.root or not here.head.ended:
        return ""
    error = here.root.get("error") or {}
    return str(error.get("message") or f"the run is {here.head.phase}")


async def _review(deps: Deps, run_id: str) -> Doc | None:
    """The question whether the plan is good, while it is open."""
    found = await deps.approvals.page({"run_id": run_id, "state": PENDING, "kind": "plan_review"}, after_id=None, limit=1)
    return found[0] if found else None

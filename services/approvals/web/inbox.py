"""The inbox: what waits for a person, with all that one needs to decide, and the decision by a form."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import orjson
from fastapi import APIRouter, Form, Query
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.answering import answer_question, find_question, find_questions, is_asked_no_more
from services.approvals.api.access import LOOK, CallerHere, DepsHere, requires
from services.approvals.api.bodies import DecisionBody
from services.approvals.deps import Deps
from services.approvals.domain.deciding import ANSWER, PENDING, TAKE_OVER
from services.approvals.domain.principals import APPROVER, Principal
from services.approvals.domain.summary import Summary
from services.approvals.store.approvals import open_to
from services.approvals.web.choosing import Asked, Draft, asked_of, said_of
from services.approvals.web.pages import go_to, page
from services.approvals.web.problems import on_error
from services.approvals.web.run_panel import Panel, load_panel
from shared.contracts.plan import TaskSpec
from shared.errors import BadInput, Conflict, TaskgroveError, Unavailable
from shared.ids import plan_id
from shared.messaging.codec import explain
from shared.storage.port import Doc

router = APIRouter(dependencies=[LOOK])

ROWS = 50
MARK = 16
MOST_PLANNED = 100
PLAN_REVIEW = "plan_review"
SHOWS = (("pending", "Open"), ("mine", "For me"), ("all", "All"))

Text = Annotated[str, Query(max_length=400)]


@router.get("/inbox")
async def inbox(
    request: Request, deps: DepsHere, caller: CallerHere, *, show: Text = "pending", run: Text = "", after: Text = "", done: Text = ""
) -> Response:
    """The list, and beside it the first question."""
    values = await _list(deps, caller, show=show, run=run, after=after)
    said = said_of(await find_question(deps, done), caller) if done else ""
    first = values["questions"][0] if values["questions"] else None
    detail = await _detail(deps, first, caller) if first else _nothing()
    return await page(request, "inbox.html", **values, **detail, chosen=False, said=said, problem="", too_late="", draft=Draft())


@router.get("/inbox/{approval_id:path}")
async def question(approval_id: str, request: Request, deps: DepsHere, *, caller: CallerHere) -> Response:
    """One question, whole."""
    return await _show(request, deps, caller, approval_id=approval_id)


@router.post("/inbox/{approval_id:path}", dependencies=[requires(APPROVER)])
async def decide(
    approval_id: str,
    request: Request,
    deps: DepsHere,
    *,
    caller: CallerHere,
    decision: Annotated[str, Form(max_length=200)] = "",
    comment: Annotated[str, Form()] = "",
    digest: Annotated[str, Form(max_length=200)] = "",
    summary: Annotated[str, Form()] = "",
    data: Annotated[str, Form()] = "",
) -> Response:
    """The answer to it. If it is not taken, what was written is shown again, with what was decided meanwhile."""
    draft = Draft(decision, comment, summary, data=data)
    try:
        after = await answer_question(deps, _decision(approval_id, digest, draft=draft), caller)
    except Unavailable as error:
        return await on_error(request, error, draft=draft)
    except TaskgroveError as error:
        return await _show(request, deps, caller, approval_id=approval_id, error=error, draft=draft)
    return go_to(request, f"/inbox?{urlencode({'done': after['_id']})}")


@router.get("/ui/inbox")
async def news(
    deps: DepsHere, caller: CallerHere, *, show: Text = "pending", run: Text = "", after: Text = "", known: Text = ""
) -> Response:
    """Nothing while the list is as it was when it was shown; else the page is told, and knows whether somebody is at work in it."""
    values = await _list(deps, caller, show=show, run=run, after=after)
    return Response(status_code=204, headers={} if values["known"] == known else {"HX-Trigger": "inbox-changed"})


async def _show(
    request: Request,
    deps: Deps,
    caller: Principal,
    *,
    approval_id: str,
    error: TaskgroveError | None = None,
    draft: Draft | None = None,
) -> Response:
    approval = await find_question(deps, approval_id)
    values = await _list(deps, caller, show=PENDING, run="", after="")
    detail = await _detail(deps, approval, caller)
    status, problem = (error.http_status, str(error)) if error else (200, "")
    too_late = detail["asked"].too_late if isinstance(error, Conflict) else ""
    texts = {"said": "", "problem": problem, "too_late": too_late, "draft": draft or Draft()}
    return await page(request, "inbox.html", status=status, **values, **detail, chosen=True, **texts)


async def _list(deps: Deps, caller: Principal, *, show: str, run: str, after: str) -> dict[str, Any]:
    show = show if show in dict(SHOWS) else PENDING
    where: dict[str, Any] = {"run_id": run} if run else {}
    where |= open_to(caller) if show == "mine" else {"state": PENDING} if show == PENDING else {}
    nobody = show == "mine" and not caller.has(APPROVER)
    found, following = ([], None) if nobody else await find_questions(deps, where, cursor=after or None, limit=ROWS)
    runs = await deps.reads.tasks({doc["run_id"] for doc in found}, ("title",))
    here = {"show": show, "run": run}
    known = _mark(found)
    return {
        "questions": found, "titles": {name: doc["title"] for name, doc in runs.items()}, "show": show, "shows": SHOWS, "run": run,
        "following": urlencode({**here, "after": following}) if following else "", "now": deps.ground.clock.now(), "known": known,
        "here": urlencode({**here, "after": after, "known": known}), "quote": quote, "after": after,
    }  # fmt: skip


def _mark(found: Sequence[Doc]) -> str:
    """What changes when the list does: a sum of its parts would miss that one question came as another went."""
    shown = [(doc["_id"], doc["state"], doc["votes"]) for doc in found]
    return hashlib.sha256(orjson.dumps(shown)).hexdigest()[:MARK]


async def _detail(deps: Deps, approval: Doc, caller: Principal) -> dict[str, Any]:
    task = await deps.reads.task(approval["task_id"])
    panel: Panel | None = await load_panel(deps, task, Summary(), who=caller) if task else None
    asked: Asked = asked_of(approval, caller, withdrawn=await is_asked_no_more(deps, approval), now=deps.ground.clock.now())
    plan, count = await _plan(deps, task) if task and approval["kind"] == PLAN_REVIEW else ((), 0)
    return {"asked": asked, "panel": panel, "plan": plan, "planned": count, "more_plan": any(spec.kind == "group" for spec in plan)}


async def _plan(deps: Deps, task: Doc) -> tuple[Sequence[TaskSpec], int]:
    """The first tasks of the plan that is asked about, and how many there are on its uppermost level."""
    version = int(task.get("plan_version") or 0)
    headers = [await deps.looking.header(plan_id(task["_id"], one)) for one in (version + 1, version)]
    newest = next((header for header in headers if header and header["state"] == "proposed"), None)
    return (await deps.looking.first_tasks(newest, most=MOST_PLANNED), int(newest["count"])) if newest else ((), 0)


def _nothing() -> Mapping[str, None]:
    return {"asked": None, "panel": None, "plan": None, "planned": None, "more_plan": None}


def _decision(approval_id: str, digest: str, *, draft: Draft) -> DecisionBody:
    """The form as the API has it. Raises BadInput."""
    body: dict[str, Any] = {"approvalId": approval_id, "decision": draft.decision, "comment": draft.comment, "digest": digest or None}
    with_result = draft.decision == TAKE_OVER or (draft.decision == ANSWER and draft.data.strip())
    if with_result and (draft.summary.strip() or draft.data.strip()):
        body["result"] = {"summary": draft.summary.strip(), "data": _json(draft.data)}
    try:
        return DecisionBody.model_validate(body)
    except ValidationError as error:
        raise BadInput(explain(error)) from error


def _json(text: str) -> Any:
    try:
        return orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BadInput(f"data: is no JSON: {error}") from error

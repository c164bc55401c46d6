"""What the page shows of one task: what it is to do, what was tried, what the checks saw, what came of it, and what may be ordered now."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.approvals.api.loading import submitter_of
from services.approvals.deps import Deps
from services.approvals.domain.principals import APPROVER, SUBMITTER, Principal
from services.approvals.domain.summary import Below, Summary
from services.approvals.store.looking import Neighbours
from services.approvals.web.tree import place_of
from shared.contracts.phases import Action, Phase, legal_actions
from shared.ids import above
from shared.storage.port import Doc

OFFERED = (Action.RETRY, Action.RERUN, Action.RESUME, Action.PAUSE, Action.CANCEL)
"""Completing by hand takes a result: that is what `taskgrove complete` and the API are for."""
MOST_FILES = 100
MOST_ASKED = 20
MOST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Crumb:
    """A group around the task."""

    place: str
    title: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the task, and what it saw: `passed` is None until it was made."""

    kind: str
    subject: str
    passed: bool | None = None
    detail: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt."""

    number: int
    agent: str
    state: str
    judgement: str | None
    seconds: float | None
    claimed_at: datetime | None
    worker: str | None
    error: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question about the task, open or settled."""

    approval_id: str
    kind: str
    question: str
    state: str
    decisions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Near:
    """A neighbour in the graph."""

    place: str
    title: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class Panel:
    """One task, whole. `view` is `TaskView` as JSON; unknown is null."""

    place: str
    view: Mapping[str, Any]
    usage: Mapping[str, Any]
    below: Below
    crumbs: Sequence[Crumb]
    checks: Sequence[Check]
    tries: Sequence[Try]
    questions: Sequence[Question]
    before: Sequence[Near]
    after: Sequence[Near]
    files: Sequence[Mapping[str, Any]]
    more_files: int
    data: str
    inputs: Sequence[tuple[str, str]]
    actions: Sequence[Action]


async def load_panel(deps: Deps, task: Doc, summary: Summary, *, who: Principal) -> Panel:
    """Read the panel of one task."""
    name = task["_id"]
    joined, tries, verdicts, near = await asyncio.gather(
        deps.reads.joined([task], related=False), deps.looking.attempts(name), deps.looking.verdicts(name), deps.looking.neighbours(task)
    )
    asked, titles, by = await asyncio.gather(
        deps.approvals.page({"run_id": task["run_id"], "task_id": name}, after_id=None, limit=MOST_ASKED),
        deps.looking.titles(above(name)),
        submitter_of(deps, name),
    )
    parts = Parts(task, joined[0][1], tries, verdicts=verdicts, near=near, asked=asked, titles=titles)
    return panel_of(parts, summary, may_order=who.has(APPROVER, SUBMITTER) and who.may_order(by))


@dataclass(frozen=True, slots=True)
class Parts:
    """What a panel is made of, as it is stored."""

    task: Doc
    view: Mapping[str, Any]
    tries: Sequence[Doc]
    verdicts: Mapping[str, Doc]
    near: Neighbours
    asked: Sequence[Doc]
    titles: Mapping[str, str]


def panel_of(parts: Parts, summary: Summary, *, may_order: bool) -> Panel:
    """The panel; pure."""
    task, view = parts.task, parts.view
    name, below = task["_id"], summary.of(task["_id"])
    result = view["result"] or {}
    files = result.get("artifacts") or ()
    legal = legal_actions(Phase(view["phase"]), paused=view["paused"]) if may_order else []
    return Panel(
        place=place_of(name),
        view=view,
        usage=below.usage if below.total else view["usage"],
        below=below,
        crumbs=[Crumb(place_of(group), parts.titles.get(group, group)) for group in above(name)],
        checks=checks_of(view["checks"], view["evidence"]),
        tries=[_try(doc, parts.verdicts.get(doc["_id"])) for doc in parts.tries],
        questions=[Question(doc["_id"], doc["kind"], doc["question"], doc["state"], doc["decisions"]) for doc in parts.asked],
        before=[_near(doc, parts.near.phases) for doc in parts.near.before],
        after=[_near(doc, parts.near.phases) for doc in parts.near.after],
        files=files[:MOST_FILES],
        more_files=max(0, len(files) - MOST_FILES),
        data=pretty(result["data"]) if result.get("data") else "",
        inputs=[(key, value if isinstance(value, str) else pretty(value)) for key, value in view["inputs"].items()],
        actions=[action for action in OFFERED if action in legal],
    )


def checks_of(checks: Sequence[Mapping[str, Any]], evidence: Sequence[Mapping[str, Any]]) -> list[Check]:
    """What the checks saw, in their order; those that were not made yet come last."""
    made = [Check(one["check"], "", one["passed"], one.get("detail") or "", one.get("output") or "") for one in evidence]
    if made:
        return made
    return [Check(str(check.get("kind", "check")), subject_of(check)) for check in checks]


def subject_of(check: Mapping[str, Any]) -> str:
    """What a check looks at, in a line."""
    rest = {key: value for key, value in check.items() if key != "kind" and value not in (None, "", [], {})}
    texts = [value if isinstance(value, str) else f"{key}: {orjson.dumps(value).decode()}" for key, value in rest.items()]
    return " · ".join(texts)


def pretty(value: Any) -> str:
    """JSON for people, not endlessly much of it."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\n… {len(text) - MOST_TEXT} characters more; the API has all"


def _try(attempt: Doc, verdict: Doc | None) -> Try:
    error = attempt.get("error") or (verdict or {}).get("error") or {}
    return Try(
        number=int(attempt["epoch"]),
        agent=str(attempt.get("agent") or ""),
        state=str(attempt["state"]),
        judgement=(verdict or {}).get("judgement"),
        seconds=(attempt.get("usage") or {}).get("seconds"),
        claimed_at=attempt.get("claimed_at"),
        worker=attempt.get("owner"),
        error=str(error.get("message") or "") if isinstance(error, Mapping) else str(error),
    )


def _near(task: Doc, phases: Mapping[str, Phase]) -> Near:
    return Near(place_of(task["_id"]), task["title"], phases[task["_id"]])


def waiting_panel(view: Mapping[str, Any]) -> Panel:
    """The panel of a run that is not planned yet."""
    none = Neighbours((), (), {})
    return panel_of(Parts({"_id": view["taskId"]}, view, (), verdicts={}, near=none, asked=(), titles={}), Summary(), may_order=False)

"""The head of a run's page: how far it is, what it cost so far, and who waits on what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.approvals.deps import Deps
from services.approvals.domain.deciding import PENDING
from services.approvals.domain.summary import Below, Summary
from services.approvals.domain.views import UNKNOWN
from services.approvals.web.tree import place_of
from shared.contracts.phases import TERMINAL, Phase
from shared.storage.port import Doc

MOST_WAITS = 3


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the progress bar, in percent."""

    tone: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Progress:
    """The bar, and the same in words."""

    parts: Sequence[Part]
    words: str


@dataclass(frozen=True, slots=True)
class Wait:
    """One open question."""

    approval_id: str
    kind: str
    question: str
    place: str
    approvers: Sequence[str]
    required: int
    given: int


@dataclass(frozen=True, slots=True)
class Head:
    """A run as the top of its page shows it. `seconds`: since it was submitted, until its end if it has one."""

    title: str
    phase: Phase
    paused: bool
    submitted_by: str
    created_at: datetime | None
    ended: bool
    seconds: float | None
    progress: Progress
    usage: Mapping[str, Any]
    waits: Sequence[Wait]
    more_waits: bool
    is_draft: bool


def progress_of(below: Below) -> Progress:
    """The bar over all tasks below: done, lost, at work, waiting for people; the rest is still to come."""
    done = below.ended - below.lost
    shares = (("good", done), ("bad", below.lost), ("active", below.active), ("wait", below.asking))
    parts, start = [], 0.0
    for tone, count in shares:
        if count:
            parts.append(Part(tone, round(start, 2), round(100 * count / below.total, 2)))
            start += 100 * count / below.total
    return Progress(parts, progress_words(below))


def progress_words(below: Below) -> str:
    """`12 of 40 done, 1 failed, 3 running, 1 waits for a person`."""
    words = [f"{below.ended - below.lost} of {below.total} done"]
    for count, what in ((below.lost, "failed or cancelled"), (below.active, "running"), (below.asking, "waiting for a person")):
        words += [f"{count} {what}"] if count else []
    return ", ".join(words)


def head_of(root: Doc, summary: Summary, waits: Sequence[Doc], *, now: datetime) -> Head:
    """The head of a planned run."""
    phase, below = Phase(root["phase"]), summary.of(root["_id"])
    created, finished = root.get("created_at"), root.get("finished_at")
    return Head(
        title=root["title"],
        phase=phase,
        paused=bool(root.get("paused")),
        submitted_by=str(root.get("submitted_by") or "unknown"),
        created_at=created,
        ended=phase in TERMINAL,
        seconds=((finished or now) - created).total_seconds() if created else None,
        progress=progress_of(below),
        usage=below.usage,
        waits=[wait_of(doc) for doc in waits[:MOST_WAITS]],
        more_waits=len(waits) > MOST_WAITS,
        is_draft=any(doc["kind"] == "plan_review" for doc in waits),
    )


def head_of_view(view: Mapping[str, Any], *, now: datetime, by: str) -> Head:
    """The head of a run that is not planned yet."""
    created = datetime.fromisoformat(view["createdAt"]) if view["createdAt"] else None
    seconds = (now - created).total_seconds() if created else None
    phase = Phase(view["phase"])
    return Head(
        view["title"], phase, paused=False, submitted_by=by, created_at=created, ended=False, seconds=seconds,
        progress=Progress((), "the plan is being made"), usage=UNKNOWN, waits=(), more_waits=False, is_draft=False,
    )  # fmt: skip


def wait_of(approval: Doc) -> Wait:
    """An open question in a line."""
    return Wait(
        approval["_id"],
        approval["kind"],
        approval["question"],
        place_of(approval["task_id"]),
        approval["approvers"],
        required=approval["required"],
        given=sum(one["decision"] == "approve" for one in approval["decisions"]),
    )


async def load_waits(deps: Deps, run_id: str) -> list[Doc]:
    """The first open questions of a run, one more than are shown."""
    return await deps.approvals.page({"run_id": run_id, "state": PENDING}, after_id=None, limit=MOST_WAITS + 1)

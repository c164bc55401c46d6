"""Lists of tasks. `running` and `checking` are read off attempts, so that filtering by them looks at more tasks than it shows."""

import re
from dataclasses import dataclass, field
from typing import Any

from services.approvals.deps import Deps
from services.approvals.domain.submitting import waiting_view
from shared.contracts.phases import STATUS, Phase, Status
from shared.ids import in_run
from shared.storage.port import Doc

AT_ONCE = 500
OVERLAID = {Phase.RUNNING, Phase.CHECKING, Phase.READY}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks."""

    run: str | None
    parent: str | None
    status: Status | None
    phase: Phase | None = field(kw_only=True)
    agent: str | None = field(kw_only=True)
    roots: bool = field(kw_only=True)
    title: str = field(default="", kw_only=True)
    among: frozenset[Phase] = field(default=frozenset(Phase), kw_only=True)

    def phases(self) -> set[Phase]:
        """The phases that are shown."""
        return {one for one, status in STATUS.items() if self.phase in (None, one) and self.status in (None, status) and one in self.among}

    def where(self) -> dict[str, Any]:
        """The filter over stored tasks: all that may be shown."""
        where: dict[str, Any] = in_run(self.run) if self.run else {}
        if self.parent or self.roots:
            where["parent_id"] = self.parent
        if self.agent:
            where["agent"] = self.agent
        if self.title:
            where["title"] = {"$regex": f"(?i){re.escape(self.title)}"}
        phases = self.phases()
        if phases != set(Phase):
            where["phase"] = {"$in": sorted(phases | {Phase.READY} if phases & OVERLAID else phases)}
        return where

    def shows(self, view: dict[str, Any]) -> bool:
        """Whether a task with this view is shown."""
        return view["phase"] in self.phases()

    def shows_waiting(self) -> bool:
        """Whether submissions that are not planned yet are shown."""
        return (self.roots or bool(self.run)) and not (self.parent or self.agent or self.title) and Phase.EXPANDING in self.phases()


async def list_tasks(deps: Deps, wanted: Wanted, *, cursor: str | None, limit: int) -> list[dict[str, Any]]:
    """At most `limit` views, by id: ascending, of runs descending."""
    found = await _stored(deps, wanted, cursor=cursor, limit=limit)
    if wanted.shows_waiting():
        found = [*found, *await _waiting(deps, wanted, cursor=cursor, limit=limit)]
        found.sort(key=lambda view: str(view["taskId"]), reverse=wanted.roots)
    return found[:limit]


async def _stored(deps: Deps, wanted: Wanted, *, cursor: str | None, limit: int) -> list[dict[str, Any]]:
    operator, sort = ("$lt", -1) if wanted.roots else ("$gt", 1)
    views: list[dict[str, Any]] = []
    step = min(AT_ONCE, limit) if wanted.phases() == set(Phase) else AT_ONCE
    while len(views) < limit:
        where = wanted.where()
        if cursor:
            where["_id"] = {**where.get("_id", {}), operator: cursor}
        tasks = await deps.reads.page(where, sort=sort, limit=step)
        joined = await deps.reads.joined(tasks, related=not wanted.roots)
        views += [view for _, view in joined if wanted.shows(view)]
        if len(tasks) < step:
            break
        cursor = tasks[-1]["_id"]
    return views


async def _waiting(deps: Deps, wanted: Wanted, *, cursor: str | None, limit: int) -> list[dict[str, Any]]:
    if wanted.run:
        submissions = list((await deps.submissions.get([wanted.run])).values()) if not cursor else []
        return [waiting_view(doc) for doc in await _unrooted(deps, submissions)]
    views: list[dict[str, Any]] = []
    while len(views) < limit:  # of those that nobody has marked as planned yet, most may be
        submissions = await deps.submissions.unplanned(before=cursor, limit=limit)
        views += [waiting_view(doc) for doc in await _unrooted(deps, submissions)]
        if len(submissions) < limit:
            break
        cursor = submissions[-1]["_id"]
    return views


async def _unrooted(deps: Deps, submissions: list[Doc]) -> list[Doc]:
    """Those of these submissions that have no tasks yet."""
    rooted = await deps.reads.tasks([doc["_id"] for doc in submissions], ("run_id",))
    return [doc for doc in submissions if doc["_id"] not in rooted]

"""The Python client: all that the HTTP API offers, typed. What the command line uses, and programs may."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2

from shared.catalogue.planners import default_planner
from shared.contracts.base import Value
from shared.contracts.phases import TERMINAL, Action, Status
from shared.contracts.plan import NotesFile, Plan, RunOptions
from shared.contracts.views import (
    ApprovalPage,
    ApprovalView,
    DecisionRequest,
    LogPage,
    QuarantinePage,
    QuarantineView,
    RerunView,
    SequenceView,
    SubmitRequest,
    TaskPage,
    TaskUpdate,
    TaskView,
)
from shared.ids import new_id
from taskgrove.transport import LiveEvent, Transport

PAGE = 500
SHORTEST_LOOK = 0.05
LONGEST_LOOK = 1.0

View = TypeVar("View", bound=Value)


class Client:
    """One Taskgrove, by its URL and an API key. Errors are those of `shared.errors`; `async with` closes the connections."""

    def __init__(
        self, url: str, *, key: str | None = None, patience: float = 0.0, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        """`patience`: seconds for which calls that may be repeated wait for a service that is starting again."""
        self._transport = Transport(url, key=key, patience=patience, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    @property
    def url(self) -> str:
        """Where it is."""
        return self._transport.url

    async def submit(
        self, prompt: str = "", *, notes: Sequence[NotesFile] = (), options: RunOptions | None = None, idempotency_key: str | None = None
    ) -> TaskView:
        """Start a run; durable once this returns. The same `idempotency_key` never starts a second one.

        Without `options` the notes are the outline of the plan; without notes a language model makes it.
        """
        chosen = options or RunOptions(planner=default_planner(notes=bool(notes)))
        request = SubmitRequest(description=prompt, notes=tuple(notes), options=chosen)
        headers = {"idempotency-key": idempotency_key or new_id()}
        return await self._send(TaskView, "POST", "/tasks", body=_said(request), headers=headers, again=True)

    async def task(self, task_id: str, *, tree: bool = False) -> TaskView:
        """One task; with `tree`, all below it in `children`."""
        return await self._get(TaskView, f"/tasks/{_part(task_id)}", tree="full" if tree else None)

    async def tasks(self, *, limit: int = PAGE, cursor: str | None = None, **filters: Any) -> TaskPage:
        """A page of tasks. Filters: run, parent, status, phase, agent, roots."""
        query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in filters.items()}
        return await self._get(TaskPage, "/tasks", limit=limit, cursor=cursor, **query)

    async def all_tasks(self, **filters: Any) -> AsyncIterator[TaskView]:
        """The tasks of all pages."""
        cursor: str | None = None
        while True:
            page = await self.tasks(cursor=cursor, **filters)
            for task in page.items:
                yield task
            if not (cursor := page.next_cursor):
                return

    async def update(
        self, task_id: str, action: Action, *, reason: str = "", result: Mapping[str, Any] | None = None, version: int | None = None
    ) -> TaskView:
        """Order something for a task and all below it. Raises IllegalMove, which carries what is legal; `version` guards against races.

        To do a task again (`rerun`) the `version` must be said: that of `rerun_preview`, or of the task as it was looked at.
        """
        again = action is Action.RERUN
        seen = {"version": version} if again else {}
        update = TaskUpdate.model_validate({"action": action, "reason": reason, "result": result, **seen})
        headers = {"if-match": f'"{version}"'} if version is not None and not again else None
        return await self._send(TaskView, "PUT", f"/tasks/{_part(task_id)}", body=_said(update), headers=headers)

    async def rerun_preview(self, task_id: str) -> RerunView:
        """How many tasks would be done again with this one."""
        return await self._get(RerunView, f"/tasks/{_part(task_id)}/rerun")

    async def sequence(self, task_id: str) -> SequenceView:
        """Order, graph, parallel groups and critical path of the plan for a task."""
        return await self._get(SequenceView, f"/tasks/{_part(task_id)}/sequence")

    async def plan(self, task_id: str) -> Plan:
        """The newest plan for a task, also while nobody has approved it yet. Raises NotFound where there is none."""
        return await self._get(Plan, f"/tasks/{_part(task_id)}/plan")

    def events(self, task_id: str, *, last_event_id: str | None = None) -> AsyncIterator[LiveEvent | None]:
        """What happens, live, resumed when the connection breaks; see `Transport.events` for None."""
        return self._transport.events(f"/tasks/{_part(task_id)}/events", last_event_id=last_event_id)

    async def wait(self, run_id: str, *, timeout: float | None = None) -> TaskView:
        """The run once it has ended. Raises TimeoutError."""
        pause = SHORTEST_LOOK
        async with asyncio.timeout(timeout):
            while (root := await self.task(run_id)).phase not in TERMINAL:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_LOOK)
        return root

    async def export(self, run_id: str) -> bytes:
        """A run as one JSON document, to be kept or imported."""
        return (await self._transport.send("GET", f"/tasks/{_part(run_id)}/export")).content

    async def import_run(self, document: Any) -> TaskView:
        """Bring an exported run back; `document` is its JSON."""
        return await self._send(TaskView, "POST", "/imports", body=document)

    async def approvals(self, *, state: str = "pending", run: str | None = None, mine: bool | None = None) -> list[ApprovalView]:
        """Questions to people. `state`: pending or all; `mine`: only those that this key may answer."""
        found: list[ApprovalView] = []
        cursor: str | None = None
        while True:
            query = {"state": state, "run": run, "mine": None if mine is None else str(mine).lower(), "cursor": cursor}
            page = await self._get(ApprovalPage, "/approvals", **query)
            found += page.items
            if not (cursor := page.next_cursor):
                return found

    async def approval(self, approval_id: str) -> ApprovalView:
        """One question."""
        return await self._get(ApprovalView, f"/approvals/{_part(approval_id)}")

    async def decide(self, request: DecisionRequest) -> ApprovalView:
        """Answer a question. Raises IllegalMove if it was answered already, or is not what was shown."""
        return await self._send(ApprovalView, "POST", "/approvals", body=_said(request))

    async def logs(self, *, limit: int = PAGE, after: str | None = None, **filters: str | None) -> LogPage:
        """Log lines, oldest first. Filters: run, task, level, grep (a regular expression), text (words)."""
        return await self._get(LogPage, "/logs", limit=limit, after=after, **filters)

    async def artifact(self, sha256: str) -> bytes:
        """What a task left, by its content hash."""
        return (await self._transport.send("GET", f"/artifacts/{_part(sha256)}")).content

    async def quarantine(self, *, replayed: bool = False) -> QuarantinePage:
        """All messages that no service could use; or those that were replayed within a week and did not come back."""
        items: list[QuarantineView] = []
        cursor: str | None = None
        while True:
            page = await self._get(QuarantinePage, "/quarantine", limit=PAGE, cursor=cursor, replayed=str(replayed).lower())
            items += page.items
            if not (cursor := page.next_cursor):
                return QuarantinePage(items=tuple(items))

    async def quarantined(self, quarantine_id: str) -> QuarantineView:
        """One of them, with its body."""
        return await self._get(QuarantineView, f"/quarantine/{_part(quarantine_id)}")

    async def replay(self, quarantine_id: str) -> QuarantineView:
        """Put a message back where it came from; what was replayed before and did not come back stays where it is."""
        return await self._send(QuarantineView, "POST", f"/quarantine/{_part(quarantine_id)}/replay")

    async def discard(self, quarantine_id: str) -> None:
        """Drop a message for good."""
        await self._transport.send("DELETE", f"/quarantine/{_part(quarantine_id)}")

    async def whoami(self) -> dict[str, Any]:
        """`name`, `roles` and `groups` behind the API key, and `model`: whether a language model is configured there."""
        answer: dict[str, Any] = (await self._transport.send("GET", "/whoami")).json()
        return answer

    async def login_link(self, page: str = "/") -> str:
        """A link that opens this page of the dashboard in a browser, logged in as the owner of the key; works once, for five minutes."""
        path = (await self._transport.send("POST", "/links")).json()["path"]
        return f"{self.url}{path}&next={quote(page, safe='/')}"

    async def principals(self) -> list[str]:
        """The names of all people and programs that have a key. Admins only."""
        items: list[dict[str, Any]] = (await self._transport.send("GET", "/principals")).json()["items"]
        return [one["name"] for one in items]

    async def create_principal(self, name: str, *, roles: Sequence[str], groups: Sequence[str] = ()) -> str:
        """A new person or program; returns their API key, which is never shown again. Admins only; raises Conflict for a taken name."""
        body = {"name": name, "roles": list(roles), "groups": list(groups)}
        return str((await self._transport.send("POST", "/principals", body=body)).json()["key"])

    async def delete_principal(self, name: str) -> None:
        """Take a key away. Admins only."""
        await self._transport.send("DELETE", f"/principals/{_part(name)}")

    async def _get(self, view: type[View], path: str, **query: Any) -> View:
        return await self._send(view, "GET", path, query=query)

    async def _send(self, view: type[View], method: str, path: str, **request: Any) -> View:
        response = await self._transport.send(method, path, **request)
        return view.model_validate_json(response.content)


def _said(request: Value) -> dict[str, Any]:
    """What the caller said, without what is usual: a service of an older version refuses names that it does not know."""
    return request.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _part(identifier: str) -> str:
    """An id as one segment of a path, whatever is in it."""
    return quote(identifier, safe=":@")


def ended_well(root: TaskView) -> bool:
    """Whether all that was wanted is done; what had checks is verified."""
    return root.status is Status.COMPLETED

"""Runs for the tests of the dashboard, submitted and waited for by the API."""

import asyncio
import json
import time
from typing import Any

import httpx2

SECONDS = 30.0


def shell(key: str, script: str, *after: str, **fields: Any) -> dict[str, Any]:
    """A task that runs a script."""
    return {"key": key, "title": f"Task {key}", "agent": "shell", "inputs": {"script": script}, "after": list(after), **fields}


async def submit(http: httpx2.AsyncClient, title: str, *tasks: dict[str, Any], **options: Any) -> str:
    """A run of these tasks; its id."""
    notes = [{"name": "plan.json", "text": json.dumps({"title": title, "tasks": list(tasks)})}]
    answer = await http.post("/tasks", json={"notes": notes, "options": {"planner": "import", **options}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["taskId"])


async def asked(http: httpx2.AsyncClient, run_id: str) -> str:
    """The first open question of a run, once there is one."""
    deadline = time.monotonic() + SECONDS
    while not (items := (await http.get("/approvals", params={"run": run_id})).json()["items"]):
        assert time.monotonic() < deadline, "nobody was asked anything"
        await asyncio.sleep(0.1)
    return str(items[0]["approvalId"])


async def ended(http: httpx2.AsyncClient, run_id: str) -> str:
    """The phase of a run, once it is over."""
    deadline = time.monotonic() + SECONDS
    while (view := (await http.get(f"/tasks/{run_id}")).json())["finishedAt"] is None:
        assert time.monotonic() < deadline, f"{view['phase']}: {view['counts']}"
        await asyncio.sleep(0.1)
    return str(view["phase"])

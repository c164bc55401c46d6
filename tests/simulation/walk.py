"""The smallest workload: one run of three tasks, to its end."""

import asyncio
import json

from services.approvals.api.bodies import SubmitBody
from services.approvals.api.submissions import submit
from services.approvals.deps import Deps
from services.approvals.domain.principals import ADMIN, Principal
from tests.simulation.world import World

ADA = Principal("ada", frozenset({ADMIN}), frozenset())


def check(world: World) -> list[str]:
    """All of it was done."""
    return [f"{doc['key']} is {doc['phase']}" for doc in world.documents("tasks") if doc["phase"] != "completed"]


async def live(world: World) -> None:
    """Submit it; wait for it."""
    tasks = [
        {"key": key, "title": key, "agent": "python", "inputs": {"call": "noop"}, "after": after}
        for key, after in (("a", []), ("b", ["a"]), ("c", ["a"]), ("d", ["b", "c"]))
    ]
    notes = [{"name": "plan.json", "text": json.dumps({"title": "run", "tasks": tasks})}]
    body = SubmitBody.model_validate({"description": "", "notes": notes, "options": {"planner": "import"}})

    async def call(deps: Deps) -> str:
        answer = await submit(body, deps, ADA, idempotency_key="one")
        return str(json.loads(answer.body)["taskId"])

    while True:
        try:
            run = await world.ask(call)
            break
        except Exception as error:  # noqa: BLE001
            world.note("ada", f"tries again: {error}", "")
            await asyncio.sleep(1.0)
    while not [one for one in world.documents("tasks", _id=run) if one["open"] is False]:
        await asyncio.sleep(0.25)

"""People at the API while faults happen: they answer what is asked, pause and resume, and look around."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.contracts.phases import Action
from shared.contracts.views import DecisionRequest
from shared.errors import TaskgroveError
from taskgrove.client import Client
from tests.faults.rig import Rig

PAUSE = 0.3


@asynccontextmanager
async def somebody(rig: Rig) -> AsyncIterator[list[str]]:
    """People are there while the block lasts. What they were told when it did not work is in the list."""
    complaints: list[str] = []
    task = asyncio.create_task(_live(rig, complaints))
    try:
        yield complaints
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _live(rig: Rig, complaints: list[str]) -> None:
    async with rig.client() as client:
        while True:
            for act in (_answer, _pause, _resume, _look):
                try:
                    await act(client)
                except TaskgroveError as error:
                    complaints.append(f"{type(error).__name__}: {error}")
            await asyncio.sleep(PAUSE)


async def _answer(client: Client) -> None:
    for approval in await client.approvals():
        await client.decide(DecisionRequest(approval_id=approval.approval_id, decision="approve"))


async def _pause(client: Client) -> None:
    for root in (await client.tasks(roots=True, status="In Progress", limit=1)).items:
        await client.update(root.task_id, Action.PAUSE)


async def _resume(client: Client) -> None:
    """Whatever is paused: an order may be carried out long after it was given."""
    for root in (await client.tasks(roots=True, status="In Progress")).items:
        if root.paused:
            await client.update(root.task_id, Action.RESUME)


async def _look(client: Client) -> None:
    for root in (await client.tasks(roots=True, limit=1)).items:
        await client.task(root.task_id, tree=True)
        await client.logs(run=root.task_id, limit=10)

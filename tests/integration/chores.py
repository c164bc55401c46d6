"""What the tasks of the lifecycle tests do: functions for the agent python that leave traces which a test can count."""

import asyncio
from pathlib import Path
from typing import Any

from services.executor.agents import Asks, TooBig, Work, callable_
from shared.contracts.plan import TaskSpec
from shared.errors import AgentFailed


def lines(path: str) -> list[str]:
    """What was noted there so far."""
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _note(path: str, line: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


@callable_()
async def note(path: str, line: str) -> dict[str, int]:
    """An effect that can be counted; gives back how often it was done."""
    _note(path, line)
    return {"times": len([one for one in lines(path) if one == line])}


@callable_()
async def flaky(path: str, line: str, failures: int) -> dict[str, int]:
    """Fails so many times, then does it."""
    _note(path, line)
    times = len([one for one in lines(path) if one == line])
    if times <= failures:
        raise AgentFailed(f"failure {times} of {failures}")
    return {"times": times}


@callable_()
async def stall(path: str, work: Work) -> dict[str, int]:
    """The first attempt hangs until the file is there; the others do not."""
    _note(f"{path}.begun", work.attempt_id)
    while work.epoch == 1 and not Path(path).exists():
        await asyncio.sleep(0.02)
    return {"epoch": work.epoch}


@callable_()
async def hold(path: str) -> None:
    """Goes on until the file is there."""
    _note(f"{path}.begun", "begun")
    while not Path(path).exists():
        await asyncio.sleep(0.02)


@callable_()
async def split(subtasks: list[dict[str, Any]]) -> TooBig:
    """Too much for one go, with a proposal."""
    return TooBig("this is a lot", tuple(TaskSpec.model_validate(task) for task in subtasks))


@callable_()
async def wonder(question: str) -> Asks:
    """Needs an answer."""
    return Asks(question)


@callable_()
async def see(work: Work) -> dict[str, Any]:
    """How the tasks that this one waits for have ended."""
    found = await work.dependencies()
    return {
        key: {"phase": one.phase.value, "error": one.error, "data": one.result.data if one.result else None} for key, one in found.items()
    }

"""What the tasks of these tests call: an effect outside the house that counts how often it was had."""

import asyncio
import time
from pathlib import Path

from services.executor.agents import Work, callable_


@callable_()
async def effect(work: Work, path: str, seconds: float = 0.0) -> dict[str, str]:
    """Write the attempt's id into a ledger, then take some time: whoever is killed meanwhile has had the effect."""
    _note(Path(path), work.attempt_id)
    await asyncio.sleep(seconds)
    return {"attempt": work.attempt_id}


@callable_()
async def noted(work: Work, path: str, until: str = "", needs: str = "") -> None:
    """Write the task's title into a ledger; wait for the file `until`; fail without the file `needs`."""
    _note(Path(path), work.title)
    while until and not Path(until).exists():
        await asyncio.sleep(0.02)
    if needs and not Path(needs).exists():
        raise ValueError(f"{needs} is not there")


@callable_()
async def second_try(work: Work) -> dict[str, str]:
    """Fails the first time."""
    if work.epoch == 1:
        raise ValueError("not the first time")
    return {"attempt": work.attempt_id}


@callable_()
def stuck(seconds: float) -> None:
    """Sleeps in a thread, where nobody can stop it."""
    time.sleep(seconds)


def _note(ledger: Path, line: str) -> None:
    with ledger.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")

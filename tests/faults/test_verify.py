"""Whoever says that nothing was lost must be able to see a loss: each of these puts one into the store or the ledger."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.faults.kept import Death
from tests.faults.ledger import note
from tests.faults.rig import Rig
from tests.faults.verify import verify
from tests.faults.workload import Load


@pytest.fixture(scope="module")
async def run_id(rig: Rig) -> str:
    """A run that nobody disturbed."""
    runs = Load(rig)
    accepted = await runs.submit()
    assert accepted
    await runs.all_over()
    return accepted


@asynccontextmanager
async def changed(rig: Rig, collection: str, where: dict[str, Any], change: dict[str, Any]) -> AsyncIterator[None]:
    """One document is otherwise while the block lasts."""
    before = await rig.documents[collection].find_one(where)
    assert before, f"no {collection} match {where}"
    await rig.documents[collection].update_one({"_id": before["_id"]}, {"$set": change})
    try:
        yield
    finally:
        await rig.documents[collection].replace_one({"_id": before["_id"]}, before, upsert=True)


async def test_finds_nothing_where_nothing_happened(rig: Rig, run_id: str) -> None:
    tally = await verify(rig, [run_id])
    assert tally.findings == []
    assert (tally.completed, tally.lost, tally.doubled) == (1, 0, 0)
    assert tally.effects == 14


async def test_a_run_that_is_not_there_is_lost(rig: Rig, run_id: str) -> None:
    assert (await verify(rig, [run_id, "0" * 32])).lost == 1


@pytest.mark.parametrize(
    ("collection", "where", "change", "found"),
    [
        ("tasks", {"key": "l0-0"}, {"phase": "ready"}, "tasks are not over"),
        ("tasks", {"key": "l0-0"}, {"phase": "failed"}, "tasks ended otherwise than completed"),
        ("tasks", {"key": "l0-0"}, {"epoch": 7}, "completed tasks have no attempt that passed"),
        ("attempts", {"agent": "shell"}, {"state": "running"}, "attempts are still running"),
        ("verdicts", {}, {"judgement": "failed"}, "completed tasks have no attempt that passed"),
    ],
)
async def test_finds_what_is_wrong_in_the_store(
    rig: Rig, run_id: str, collection: str, where: dict[str, Any], change: dict[str, Any], found: str
) -> None:
    async with changed(rig, collection, {**where, "run_id": run_id}, change):
        tally = await verify(rig, [run_id])
    assert found in " ".join(tally.findings)


async def test_finds_a_changed_audit_trail(rig: Rig, run_id: str) -> None:
    async with changed(rig, "audit", {}, {"who": "somebody else"}):
        tally = await verify(rig, [run_id])
    assert "audit chain" in " ".join(tally.findings)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{run}.1:1", "attempts had their effect twice"),
        ("{run}.1:9", "effects were had without a claim"),
        ("{run}.404:1", "effects were had without a claim"),
    ],
)
async def test_finds_an_effect_too_many(rig: Rig, run_id: str, line: str, found: str) -> None:
    before = rig.ledger.path.read_text()
    note(str(rig.ledger.path), line.format(run=run_id))
    try:
        tally = await verify(rig, [run_id])
    finally:
        rig.ledger.path.write_text(before)
    assert found in " ".join(tally.findings)
    assert tally.doubled > 0


async def test_finds_an_effect_that_is_missing_and_one_that_came_too_early(rig: Rig, run_id: str) -> None:
    before = rig.ledger.path.read_text()
    lines = before.splitlines(keepends=True)
    first = next(line for line in lines if line.startswith(f"{run_id}.1:1 "))
    try:
        rig.ledger.path.write_text("".join(line for line in lines if line != first))
        missing = await verify(rig, [run_id])
        rig.ledger.path.write_text(before.replace(first, "") + first.replace(first.split()[2], "9999999999.0"))
        early = await verify(rig, [run_id])
    finally:
        rig.ledger.path.write_text(before)
    assert missing.lost == 1
    assert "begun before what they wait for" in " ".join(early.findings)


async def test_finds_a_process_that_ended_by_itself(rig: Rig, run_id: str) -> None:
    rig.deaths.append(Death("planner-0", 1, 0.0, 1, meant=False))
    try:
        tally = await verify(rig, [run_id])
    finally:
        rig.deaths.pop()
    assert "processes that ended by themselves" in " ".join(tally.findings)

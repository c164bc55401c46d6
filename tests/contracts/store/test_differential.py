"""Random operations on the twin and on MongoDB must give the same results: else the simulation would prove nothing about production.

TASKGROVE_TEST_OPERATIONS (10 000) says how many, TASKGROVE_TEST_SEED which; a failure names its seed and operation.
"""

import asyncio
import os
import random
import time
from collections import Counter
from typing import Any

from shared.clock import ServerClock
from shared.errors import BadInput
from shared.memory.store import MemoryDatabase
from shared.storage.mongo import MongoDatabase
from shared.storage.port import Collection
from tests.contracts.store.dice import Dice, Operation, operation, schema

STREAMS = 10
"""Collections that are worked on at the same time, so that the disk's waits overlap."""
ABOUT_NOW = "now"


async def outcome(collection: Collection, run: Operation) -> Any:
    try:
        return await run(collection)
    except BadInput:
        return "refused"


async def everything(collection: Collection) -> Any:
    return await collection.find({}, sort=[("_id", 1)])


def exact(result: Any) -> str:
    """A result with the order of its keys and the kinds of its numbers; a moment that the server chose only as such."""
    if isinstance(result, dict):
        return "{" + ", ".join(f"{key!r}: {'about now' if key == ABOUT_NOW else exact(value)}" for key, value in result.items()) + "}"
    if isinstance(result, list):
        return "[" + ", ".join(exact(item) for item in result) + "]"
    return repr(sorted(result)) if isinstance(result, set) else repr(result)


def compared(told: str, got: Any, wanted: Any) -> bool:
    """A tally has no order; everything else must be alike to the last key."""
    if told.startswith("count") and isinstance(got, dict):
        return bool(got == wanted)
    return exact(got) == exact(wanted)


async def stream(twin: Collection, real: Collection, *, seed: int, operations: int) -> Counter[str]:
    """Run `operations` on both in the same order; how many of each kind there were, and how many were refused."""
    dice, kinds = Dice(seed), Counter[str]()
    for number in range(operations):
        told, run = operation(dice)
        where = f"seed {seed}, operation {number}: {told}"
        got, wanted = await outcome(twin, run), await outcome(real, run)
        assert compared(told, got, wanted), f"{where}\n  twin: {got}\n  real: {wanted}"
        kinds[told.partition(" ")[0]] += 1
        kinds["refused"] += got == "refused"
        if not told.startswith(("find", "count")):
            kept = await everything(real)
            if got == "refused":  # what a refused update of several had done before is not promised; start again from the same place
                await twin.delete({})
                await twin.insert(kept)
            assert exact(await everything(twin)) == exact(kept), f"after {where}"
    return kinds


async def test_random_operations_give_the_same(mongodb: MongoDatabase) -> None:
    operations = int(os.environ.get("TASKGROVE_TEST_OPERATIONS", "10000"))
    seed = int(os.environ.get("TASKGROVE_TEST_SEED", "0")) or random.SystemRandom().randint(1, 10**9)
    twin, began = MemoryDatabase(ServerClock()), time.monotonic()
    schemas = [schema(f"dice{number}") for number in range(STREAMS)]
    await asyncio.gather(twin.ensure(schemas), mongodb.ensure(schemas))
    await asyncio.gather(*(mongodb[one.name].delete({}) for one in schemas))
    streams = (
        stream(twin[one.name], mongodb[one.name], seed=seed + number, operations=operations // STREAMS)
        for number, one in enumerate(schemas)
    )
    kinds = sum(await asyncio.gather(*streams), Counter[str]())
    refused = kinds.pop("refused")
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"\nstore: {kinds.total()} operations alike, {refused} refused by both, {time.monotonic() - began:.1f} s, seed {seed}: {told}")
    assert refused < operations / 3, "nearly everything was refused: this run showed nothing"

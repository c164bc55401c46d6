"""Whoever gives up on the store while it is away, however often, does not cost the others the store when it is back."""

import asyncio
from urllib.parse import urlsplit

from shared.clock import ServerClock
from shared.errors import StoreUnavailable
from shared.storage.mongo import MongoDatabase
from tests.contracts.broker.proxy import Wire

WAITERS = 40


async def test_cancelled_twice_while_the_store_is_away(store_url: str, store_name: str) -> None:
    """pymongo's topology lock stayed taken for ever, and with it every call of the process."""
    store = urlsplit(store_url)
    async with Wire(store.hostname or "", store.port or 27_017).laid() as wire:
        database = MongoDatabase(f"mongodb://127.0.0.1:{wire.port}/?directConnection=true", store_name, ServerClock())
        await database.ready()
        wire.fail(hangs=False)
        for round_ in range(8):
            waiting = [asyncio.create_task(_find(database)) for _ in range(WAITERS)]
            await asyncio.sleep(0.4 + 0.03 * round_)
            for _ in range(2):
                for task in waiting:
                    task.cancel()
                await asyncio.sleep(0)
            done, left = await asyncio.wait(waiting, timeout=1)
            assert not left, "cancelled callers come back at once"
            assert all(task.cancelled() for task in done)
        wire.refuses = False
        async with asyncio.timeout(20):
            await database.ready()
            assert await database["things"].find({}) == []
        await database.close()


async def _find(database: MongoDatabase) -> None:
    try:
        await database["things"].find({})
    except StoreUnavailable:
        await asyncio.sleep(60)

"""The ear at the dead queue while the store is away and connections to the broker are lost."""

from typing import Any, cast

from services.approvals.dead import Dead
from shared.clock import ServerClock
from shared.errors import StoreUnavailable
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.messaging.port import Message
from shared.messaging.topology import queues
from shared.service import lay_ground
from shared.settings import CommonSettings
from tests.unit.shared.messaging.conftest import QuickClock, until


class Away:
    """A store that does not answer."""

    name = "quarantine"

    def __init__(self) -> None:
        self.asked = 0

    def __getitem__(self, _name: str) -> "Away":
        return self

    async def bulk(self, _updates: Any, **_: bool) -> int:
        self.asked += 1
        raise StoreUnavailable("no primary")


async def test_what_cannot_be_kept_waits_once_however_often_the_connection_is_lost() -> None:
    exchange, store = MemoryExchange(), Away()
    broker, clock = MemoryBroker(exchange), cast("ServerClock", QuickClock())
    dead = Dead(lay_ground("approvals", CommonSettings(), broker=broker, database=cast("Any", store), clock=clock))
    await broker.start(queues())
    await dead.start()
    exchange.route(Message("task.ready", b"{}", "m1", "application/json"), dead=True)
    for _ in range(4):
        asked = store.asked
        await until(lambda asked=asked: store.asked > asked)
        broker.cut()
    await until(lambda: len(dead._keeping) == 1)  # noqa: SLF001 (what it keeps is the point)
    await dead.drain(0)
    await broker.stop()

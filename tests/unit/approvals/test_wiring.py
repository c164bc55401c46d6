"""What the service hears, and that it can be put together as it is shipped."""

from pathlib import Path

import pytest

from services.approvals.handlers import HEARS
from services.approvals.wiring import wire
from shared.clock import ServerClock
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.messaging.topology import events
from shared.service import lay_ground
from shared.settings import CommonSettings


def test_everything_that_is_said_to_it_is_heard() -> None:
    assert set(HEARS) == {event for event in events() if "approvals" in event.heard_by}


async def test_is_put_together_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('[{"name": "local", "key": "0123456789012345678901234567890123456789", "roles": ["admin"]}]')
    keys.chmod(0o600)
    monkeypatch.setenv("TASKGROVE_APPROVALS_BOOTSTRAP_KEYS", str(keys))
    clock = ServerClock()
    database, broker = MemoryDatabase(clock), MemoryBroker(MemoryExchange())
    settings = CommonSettings(artifacts_url=(tmp_path / "artifacts").as_uri())
    service = await wire(lay_ground("approvals", settings, broker=broker, database=database, clock=clock))
    assert service.start
    await broker.start([])
    with pytest.raises(KeyError):
        await service.start()  # this exchange has no queues: that is declared by whoever runs the service
    assert [doc["_id"] for doc in await database["principals"].find({})] == ["local"]

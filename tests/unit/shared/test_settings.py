"""A setting that is wrong is named as the person who set it knows it."""

import asyncio

import pytest

from services.executor.settings import ExecutorSettings
from shared.clock import ServerClock
from shared.ending import end
from shared.errors import BadInput, NotesError
from shared.messaging.rabbit import RabbitBroker
from shared.settings import CommonSettings, read
from shared.storage.mongo import MongoDatabase


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_SWEEP_SECONDS", "2")
    assert read(CommonSettings).sweep_seconds == 2


def test_every_wrong_setting_is_named_with_what_it_is_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_EXECUTOR_LEASE_SECONDS", "0")
    monkeypatch.setenv("TASKGROVE_EXECUTOR_NETWORK", "perhaps")
    with pytest.raises(BadInput, match=r"TASKGROVE_EXECUTOR_LEASE_SECONDS=0: .*; TASKGROVE_EXECUTOR_NETWORK=perhaps: .*mend it"):
        read(ExecutorSettings)


@pytest.mark.parametrize("url", ["amqp://me:sec/ret@host", "amqp://me:sec#ret@host:5672/", "http://host", "amqp://", "amqp://me:[@host"])
def test_a_broker_that_no_client_could_reach_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TASKGROVE_BROKER_URL", url)
    with pytest.raises(BadInput, match=r"TASKGROVE_BROKER_URL: .*write special characters in the password as %XX") as caught:
        read(CommonSettings)
    assert "ret" not in str(caught.value)


@pytest.mark.parametrize("url", ["amqp://127.0.0.1", "amqps://me:sec%2Fret@host:5671/grove", "amqp://me:secret@[::1]:5672/"])
def test_a_broker_that_can_be_reached_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TASKGROVE_BROKER_URL", url)
    assert read(CommonSettings).broker_url == url


@pytest.mark.parametrize("url", ["mongo://host", "mongodb://me:sec/ret@host"])
async def test_an_address_that_is_no_mongodb_is_named(url: str) -> None:
    with pytest.raises(BadInput, match="TASKGROVE_STORE_URL is no address of a MongoDB") as caught:
        MongoDatabase(url, "grove", ServerClock())
    assert "ret" not in str(caught.value)


async def test_whatever_keeps_a_service_from_its_broker_is_tried_again() -> None:
    """What no client expects, such as a URL that cannot be parsed, is logged and shown by /readyz, and is not the end of trying."""
    broker = RabbitBroker("amqp://me:sec/ret@host", name="test")
    starting = asyncio.create_task(broker.start([]))
    async with asyncio.timeout(10):
        while broker._failures < 2:  # noqa: SLF001 (nothing outside tells how often it was tried)
            await asyncio.sleep(0.05)
    assert broker.last_error.startswith("ValueError")
    assert not starting.done()
    await broker.stop()
    await end([starting])


def test_of_very_many_problems_the_first_are_shown() -> None:
    error = NotesError([f"problem {number}" for number in range(1_000)])
    assert len(error.problems) == 1_000
    assert str(error).splitlines()[-1] == "… and 900 more; mend these first"

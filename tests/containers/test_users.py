"""Each container comes to broker and store as its own service: refused what is another's, with a password that can be changed."""

import os

import pytest

from tests.containers import foreign
from tests.containers.stack import ROOT, SERVICES, Stack, run, timed, until

pytestmark = pytest.mark.containers

PYTHON = "/opt/taskgrove/bin/python"
STRANGERS = """
import asyncio, aio_pika
from aiormq.exceptions import ProbableAuthenticationError
from pymongo import MongoClient
from pymongo.errors import OperationFailure

async def connect(url):
    try:
        async with await aio_pika.connect(url):
            print("let in")
    except ProbableAuthenticationError as error:
        print("refused", error)

for url in BROKERS:
    asyncio.run(connect(url))
for url in STORES:
    try:
        print(MongoClient(url).taskgrove.tasks.find_one())
    except OperationFailure as error:
        print("refused", error.details["codeName"])
"""


def execute(stack: Stack, service: str, *program: str) -> str:
    """What a program in the container of a service writes."""
    return stack.compose("exec", "--no-TTY", service, PYTHON, "-c", *program)


def strangers(stack: Stack, *, brokers: list[str], stores: list[str]) -> list[str]:
    """How those are answered who come by these URLs."""
    program = STRANGERS.replace("BROKERS", repr(brokers)).replace("STORES", repr(stores))
    return [line.split()[0] for line in execute(stack, "planner", program).splitlines()]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_anothers_is_refused(stack: Stack, service: str) -> None:
    foreign.look(service, lambda program, asked: execute(stack, service, program, asked))


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_holds_the_urls_of_its_service_only(stack: Stack, service: str) -> None:
    seen = execute(stack, service, "import os, json; print(sorted(os.listdir('/run/secrets')))")
    assert [name for name in ("_broker_url", "_store_url") if seen.count(name) != 1] == []
    own = execute(stack, service, "print(open('/run/secrets/taskgrove_store_url').read(), end='')")
    assert own == (stack.secrets / f"{service}_store_url").read_text()


def test_nobody_comes_in_without_a_name(stack: Stack) -> None:
    said = strangers(stack, brokers=["amqp://guest:guest@rabbitmq/"], stores=["mongodb://mongodb/?replicaSet=rs0"])
    assert said == ["refused", "refused"]


def test_who_looks_after_the_broker_and_who_starts_runs_come_in(stack: Stack) -> None:
    urls = [(stack.secrets / f"{user}_broker_url").read_text() for user in ("admin", "publisher")]
    assert strangers(stack, brokers=urls, stores=[]) == ["let", "let"]


def test_an_upgrade_of_the_definitions_starts_rabbitmq_again(stack: Stack) -> None:
    """It reads them at its start only. Whatever has them made anew is told from a second `up` that changes nothing."""
    before = stack.container("rabbitmq")
    changed = {**stack.env, "TASKGROVE_LOG_LEVEL": "debug"}
    with timed("a second start of RabbitMQ"):
        command = ["docker", "compose", "--project-name", stack.name, "up", "--detach", "--wait", "--timeout", "15", "rabbitmq"]
        run(command, env=changed, seconds=180)
    after = stack.container("rabbitmq")
    assert after["State"]["StartedAt"] > before["State"]["StartedAt"]
    until(lambda: all(stack.is_healthy(service) for service in SERVICES), seconds=120, what="all are ready again")


def test_a_password_is_changed_by_removing_its_file(stack: Stack) -> None:
    files = [stack.secrets / f"executor_{backend}_url" for backend in ("broker", "store")]
    [broker, store] = [path.read_text() for path in files]
    for path in files:
        path.unlink()
    run([str(ROOT / "scripts/compose-secrets"), str(stack.secrets)], env=dict(os.environ))
    with timed("up with new passwords"):
        stack.compose("up", "--detach", "--wait", "--force-recreate", "--timeout", "15", seconds=240)
    assert stack.is_healthy("executor")
    assert strangers(stack, brokers=[broker], stores=[store]) == ["refused", "refused"]

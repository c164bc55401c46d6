"""A new MongoDB becomes a replica set with a user of the services' own, however often that is asked for."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shared.errors import BadInput
from shared.storage.prepare import prepare
from taskgrove.local.parts import Program, find_mongod
from taskgrove.local.ports import assign
from taskgrove.local.process import Child

ROOT = ("root", "root-word")


@pytest.fixture(scope="module")
async def port(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """Where a mongod listens that nobody has initiated."""
    part = find_mongod()
    if not isinstance(part, Program):
        pytest.skip("needs mongod as a program; tests/containers tests the same in containers")
    directory: Path = tmp_path_factory.mktemp("mongod")
    port = assign(["mongod"], kept={})["mongod"]
    command = [
        str(part.path),
        "--dbpath",
        str(directory),
        "--port",
        str(port),
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
        "--replSet",
        "rs0",
    ]
    child = await Child.spawn("mongod", command, env=os.environ, log=directory / "log")
    yield port
    await child.stop()


def url(port: int, *, user: str = "") -> str:
    return f"mongodb://{user}127.0.0.1:{port}/?replicaSet=rs0{'&authSource=admin' if user else ''}"


def test_it_becomes_a_replica_set_and_stays_one(port: int) -> None:
    for _ in range(2):
        prepare(url(port), database="taskgrove", root=None)
    with MongoClient(url(port)) as client:
        assert client.admin.command("replSetGetConfig")["config"]["version"] == 1
        assert client.admin.command("hello")["isWritablePrimary"]


def test_the_services_user_may_use_one_database_and_gets_a_new_password(port: int) -> None:
    prepare(url(port), database="taskgrove", root=None)
    with MongoClient(url(port)) as client:
        client.admin.command("createUser", ROOT[0], pwd=ROOT[1], roles=["root"])
    for password in ("first", "second"):
        prepare(url(port, user=f"taskgrove:{password}@"), database="taskgrove", root=ROOT)
        with MongoClient(url(port, user=f"taskgrove:{password}@")) as client:
            status = client.admin.command("connectionStatus")["authInfo"]
            assert [(role["role"], role["db"]) for role in status["authenticatedUserRoles"]] == [("readWrite", "taskgrove")]
    with MongoClient(url(port, user="taskgrove:first@")) as client, pytest.raises(OperationFailure):
        client.admin.command("connectionStatus")


def test_a_wrong_root_password_is_refused_without_it(port: int) -> None:
    with pytest.raises(BadInput, match="refused") as raised:
        prepare(url(port, user="taskgrove:second@"), database="taskgrove", root=("root", "wrong-word"))
    assert "wrong-word" not in str(raised.value)


def test_a_url_without_a_replica_set_is_refused() -> None:
    with pytest.raises(BadInput, match=r"replicaSet=rs0"):
        prepare("mongodb://127.0.0.1:1/", database="taskgrove", root=None)

"""A new MongoDB becomes a replica set with users of the services' own, however often that is asked for."""

import asyncio
import base64
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure

from shared.errors import BadInput, StoreUnavailable
from shared.storage import prepare as program
from shared.storage.prepare import prepare, read_urls
from shared.storage.slices import SLICES
from taskgrove.local.parts import Program, find_mongod
from taskgrove.local.ports import assign
from taskgrove.local.process import Child

ROOT = ("root", "root-word")
UNAUTHORIZED = 13


@asynccontextmanager
async def mongod(directory: Path, port: int, *options: str) -> AsyncIterator[None]:
    """One that listens and that nobody has prepared."""
    part = find_mongod()
    if not isinstance(part, Program):
        pytest.skip("needs mongod as a program; tests/containers tests the same in containers")
    where = ["--dbpath", str(directory), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    command = [str(part.path), *where, "--wiredTigerCacheSizeGB", "0.25", *options]
    child = await Child.spawn("mongod", command, env=os.environ, log=directory / "log")
    yield
    await child.stop()


@pytest.fixture(scope="module")
async def port(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """Where one listens that asks for no password."""
    port = assign(["mongod"], kept={})["mongod"]
    async with mongod(tmp_path_factory.mktemp("mongod"), port, "--replSet", "rs0"):
        yield port


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """Where one listens that lets in nobody but root, as MongoDB's image makes it: that user before it is locked, the replica set after."""
    directory, port = tmp_path_factory.mktemp("locked"), assign(["mongod"], kept={})["mongod"]
    async with mongod(directory, port), AsyncMongoClient("127.0.0.1", port) as client:
        await client.admin.command("createUser", ROOT[0], pwd=ROOT[1], roles=["root"])
    key = directory / "keyfile"
    key.touch(mode=0o600)
    key.write_text(base64.b64encode(secrets.token_bytes(600)).decode())
    async with mongod(directory, port, "--replSet", "rs0", "--keyFile", str(key)):
        yield port


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


def test_tls_is_not_left_out(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the URL asks for it, the root password goes nowhere without it."""
    monkeypatch.setattr(program, "SECONDS", 0.0)
    with pytest.raises(StoreUnavailable, match="did not answer"):
        prepare(f"{url(port)}&tls=true", database="taskgrove", root=ROOT)


def passwords(word: str) -> dict[str, str]:
    return {service: f"{service}-{word}" for service in SLICES}


def test_without_root_it_does_not_pretend(locked: int) -> None:
    with pytest.raises(BadInput, match="refused"):
        prepare(url(locked), database="taskgrove", root=None, passwords=passwords("first"))


def test_each_service_gets_a_user_with_its_slice_and_a_new_password(locked: int) -> None:
    for word in ("first", "second"):
        prepare(url(locked), database="taskgrove", root=ROOT, passwords=passwords(word))
        for service, password in passwords(word).items():
            with MongoClient(url(locked, user=f"{service}:{password}@")) as client:
                status = client.admin.command("connectionStatus")["authInfo"]
                assert [(role["role"], role["db"]) for role in status["authenticatedUserRoles"]] == [(service, "taskgrove")]
    with MongoClient(url(locked, user="planner:planner-first@")) as client, pytest.raises(OperationFailure):
        client.admin.command("connectionStatus")


def test_a_user_writes_its_slice_and_is_refused_another(locked: int) -> None:
    prepare(url(locked), database="taskgrove", root=ROOT, passwords=passwords("first"))
    with MongoClient(url(locked, user="planner:planner-first@")) as client:
        client.taskgrove.plans.insert_one({})
        for foreign in (client.taskgrove.tasks, client.taskgrove.verdicts, client.another.plans):
            with pytest.raises(OperationFailure) as raised:
                foreign.insert_one({})
            assert raised.value.code == UNAUTHORIZED


async def test_the_first_that_is_listed_may_be_a_secondary(tmp_path: Path) -> None:
    ports = assign(["one", "two"], kept={})
    for name in ports:
        (tmp_path / name).mkdir()
    members = [f"127.0.0.1:{port}" for port in ports.values()]
    config = {
        "_id": "rs0",
        "members": [{"_id": number, "host": host, "priority": number} for number, host in enumerate(members)],
        "settings": {"electionTimeoutMillis": 1000},
    }
    options = ("--replSet", "rs0", "--oplogSize", "64", "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0")
    async with mongod(tmp_path / "one", ports["one"], *options), mongod(tmp_path / "two", ports["two"], *options):
        with MongoClient(members[1], directConnection=True) as client:
            client.admin.command("replSetInitiate", config)
        with MongoClient(members[0], directConnection=True) as client:
            while not client.admin.command("hello")["secondary"]:
                await asyncio.sleep(0.1)
        prepare(f"mongodb://{','.join(members)}/?replicaSet=rs0", database="taskgrove", root=None, passwords=passwords("first"))
        with MongoClient(members[1], directConnection=True) as client:
            assert client.admin.command("hello")["isWritablePrimary"]
            assert len(client.admin.command("usersInfo")["users"]) == len(SLICES)


def files(directory: Path, *, leave_out: str = "", **other: str) -> Path:
    for service in SLICES:
        if service != leave_out:
            given = other.get(service, f"mongodb://{service}:word%2F{service}@h:1/?replicaSet=rs0&authSource=admin\n")
            (directory / f"{service}_store_url").write_text(given, encoding="utf-8")
    return directory


def test_urls_come_from_the_files_of_all_five_or_of_none(tmp_path: Path) -> None:
    assert read_urls(tmp_path) == {}
    assert read_urls(files(tmp_path)) == {
        service: f"mongodb://{service}:word%2F{service}@h:1/?replicaSet=rs0&authSource=admin" for service in SLICES
    }


def test_a_missing_url_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has URLs of some services, and none of checker"):
        read_urls(files(tmp_path, leave_out="checker"))


@pytest.mark.parametrize(
    "given", ["mongodb://planner:secret@h/", "mongodb://checker@h/", "mongodb://h/", "", "mongodb://checker:se/secret@h/?tls=x"]
)
def test_a_url_that_is_not_the_services_own_is_refused_without_its_password(tmp_path: Path, given: str) -> None:
    with pytest.raises(BadInput, match="checker_store_url must have the user checker and a password") as raised:
        read_urls(files(tmp_path, checker=given))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("as_files", [False, True], ids=["in variables", "in files"])
def test_the_program_makes_the_users_of_its_files(locked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, as_files: bool) -> None:
    urls = {service: url(locked, user=f"{service}:{service}-third@") for service in SLICES}
    monkeypatch.setenv("TASKGROVE_SECRETS_DIR", str(files(tmp_path, **urls)))
    for variable, value in zip(program.ROOT, ROOT, strict=True):
        (tmp_path / variable).write_text(f"{value}\n")
        monkeypatch.setenv(f"{variable}_FILE" if as_files else variable, str(tmp_path / variable) if as_files else value)
    program.main()
    for service in SLICES:
        with MongoClient(urls[service]) as client:
            client.admin.command("ping")


def test_half_of_a_root_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program.ROOT[0], "root")
    with pytest.raises(SystemExit, match=r"prepare: give both MONGO_INITDB_ROOT_USERNAME and"):
        program.main()

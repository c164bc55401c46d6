"""A service without its broker or its store waits, says what is missing and what to do, and comes up when it is there."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from taskgrove.local.parts import Program, find_mongod
from taskgrove.local.ports import assign
from taskgrove.local.process import Child
from tests.e2e.grove import ROOT, Grove, until
from tests.serving import served

NEEDED = {"broker", "store"}


@dataclass
class Lone:
    """One service by itself, and what can be seen of it from outside."""

    child: Child
    port: int

    async def missing(self) -> set[str]:
        """What /readyz says is missing; all of it while nobody answers."""
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as http:
            try:
                answer = await http.get(f"http://127.0.0.1:{self.port}/readyz")
            except httpx2.TransportError:
                return {"everything"}
        assert answer.status_code == (503 if answer.json()["missing"] else 200)
        return set(answer.json()["missing"])

    async def until_missing(self, *what: str) -> None:
        """Wait until exactly this is missing, beside `starting`."""

        async def is_so() -> bool:
            return await self.missing() - {"starting"} == set(what)

        await until(is_so, what=f"/readyz naming {what}")

    async def until_said(self, *words: str) -> None:
        """Wait for a line of the log with all these words."""

        async def is_so() -> bool:
            return any(all(word in line for word in words) for line in self.child.log.read_text().splitlines())

        await until(is_so, what=f"a line with {words}")


@asynccontextmanager
async def lone_planner(log: Path, **settings: str) -> AsyncIterator[Lone]:
    """A planner with these settings."""
    port = assign(["http"], kept={})["http"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASKGROVE_")}
    env = {**inherited, "PYTHONPATH": str(ROOT), "TASKGROVE_HTTP_PORT": str(port), "TASKGROVE_ARTIFACTS_URL": "memory://", **settings}
    child = await Child.spawn("planner", [sys.executable, "-m", "services.planner"], env=env, log=log)
    try:
        yield Lone(child, port)
    finally:
        os.kill(child.pid, signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), 20) == 0


@asynccontextmanager
async def forwarded(port: int, *, to: str) -> AsyncIterator[None]:
    """What listens at `to` can be reached at `port` as well."""
    target = urlsplit(to)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.hostname, target.port)
        try:
            await asyncio.gather(pump(reader, back), pump(there, writer))
        finally:
            back.transport.abort()

    async with served(serve, port):
        yield


def elsewhere(url: str, *, port: int) -> str:
    """The same, with the same user, at this port."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")).geturl()


async def test_a_service_waits_for_broker_and_store(grove: Grove, tmp_path: Path) -> None:
    ports = assign(["broker", "store"], kept={})
    urls = {
        "TASKGROVE_BROKER_URL": elsewhere(grove.state.broker_url, port=ports["broker"]),
        "TASKGROVE_STORE_URL": elsewhere(grove.state.store_url, port=ports["store"]),
    }
    async with lone_planner(tmp_path / "log", **urls) as planner:
        await planner.until_missing("broker", "store")
        await planner.until_said("broker.unreachable", "refused", "TASKGROVE_BROKER_URL")
        await planner.until_said("store.unreachable", str(ports["store"]), "TASKGROVE_STORE_URL")
        async with forwarded(ports["broker"], to=grove.state.broker_url):
            await planner.until_missing("store")
            async with forwarded(ports["store"], to=grove.state.store_url):
                await planner.until_missing()
                await planner.until_said("service.ready")
        await planner.until_missing("broker")


async def test_a_store_that_is_no_replica_set_is_refused(grove: Grove, tmp_path: Path) -> None:
    part = find_mongod()
    assert isinstance(part, Program), "this test needs mongod as a program"
    port = assign(["mongod"], kept={})["mongod"]
    (tmp_path / "data").mkdir()
    command = [str(part.path), "--dbpath", str(tmp_path / "data"), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    alone = await Child.spawn("mongod", command, env=os.environ, log=tmp_path / "mongod.log")
    urls = {"TASKGROVE_BROKER_URL": grove.state.broker_url, "TASKGROVE_STORE_URL": f"mongodb://127.0.0.1:{port}/"}
    try:
        async with lone_planner(tmp_path / "log", **urls) as planner:
            await planner.until_said("store.unreachable", "no replica set", "--replSet")
            await planner.until_missing("store")
    finally:
        await alone.stop()


async def test_a_service_with_a_wrong_setting_ends_and_names_it(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TASKGROVE_LOG_LEVEL": "loud"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.planner"), env=env, cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode
    assert "TASKGROVE_LOG_LEVEL" in err.decode(), json.dumps(err.decode())


async def test_a_service_without_a_secret_ends_at_once_and_names_file_and_variable(tmp_path: Path) -> None:
    (tmp_path / "taskgrove_store_url").write_text("mongodb://taskgrove:store-word@127.0.0.1:1/?replicaSet=rs0\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASKGROVE_")}
    env = {**inherited, "PYTHONPATH": str(ROOT), "TASKGROVE_SECRETS_DIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.planner"), env=env, cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode
    assert f"{tmp_path / 'taskgrove_broker_url'} (or TASKGROVE_BROKER_URL)" in err.decode()
    assert "store-word" not in err.decode()
    assert "Traceback" not in err.decode()


async def health(port: int) -> tuple[int | None, str]:
    """How a container's health check ends for the service at this port."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TASKGROVE_HTTP_HOST": "::", "TASKGROVE_HTTP_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(*(sys.executable, "-m", "shared.health"), env=env, stderr=asyncio.subprocess.PIPE)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, err.decode()


async def test_the_health_check_of_containers_means_ready(grove: Grove, tmp_path: Path) -> None:
    assert await health(grove.state.ports["planner"]) == (0, "")
    nobody = assign(["broker", "store"], kept={})
    urls = {
        "TASKGROVE_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{nobody['broker']}/",
        "TASKGROVE_STORE_URL": f"mongodb://127.0.0.1:{nobody['store']}/?replicaSet=rs0",
    }
    async with lone_planner(tmp_path / "log", **urls) as planner:
        await planner.until_missing("broker", "store")
        status, said = await health(planner.port)
    assert status == 1
    assert '"broker","store"' in said
    status, said = await health(planner.port)
    assert status == 1
    assert "no answer from" in said

"""A private MongoDB: one journaled node that is a replica set, so that majority writes mean here what they mean in production."""

import asyncio
import os
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from taskgrove.local import docker
from taskgrove.local.parts import Image, Part
from taskgrove.local.process import Child

REPLICA_SET = "rs0"
START_SECONDS = 60.0
NOT_YET_INITIATED = 94
OPTIONS = (
    *("--replSet", REPLICA_SET),
    *("--wiredTigerCacheSizeGB", "0.5"),
    *("--oplogSize", "256"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    "--nounixsocket",
    "--quiet",
)


class Mongod:
    """One mongod over one directory. The same port at every start keeps the replica set's own address true."""

    name = "mongod"

    def __init__(self, part: Part, directory: Path, *, port: int, log: Path) -> None:
        self.url = f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}"
        self.child: Child | None = None
        self._part = part
        self._directory = directory
        self._port = port
        self._log = log

    @property
    def children(self) -> list[Child]:
        """Its processes."""
        return [self.child] if self.child else []

    async def start(self) -> None:
        """Start, make it a replica set the first time, and come back when it takes writes."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if isinstance(self._part, Image):
            await docker.remove(self._container)
        self.child = child = await Child.spawn(self.name, self._command(), env=os.environ, log=self._log)
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._become_primary(child)
        except TimeoutError:
            raise child.failure(f"It had {START_SECONDS:.0f} s.") from None

    async def stop(self) -> None:
        """End it in order; what was acknowledged is on disk either way."""
        if self.child:
            await self.child.stop()
        if isinstance(self._part, Image):
            await docker.remove(self._container)

    @property
    def _container(self) -> str:
        return docker.container_name(self.name, self._directory)

    def _command(self) -> list[str]:
        port = str(self._port)
        if isinstance(self._part, Image):
            options = ["--publish", f"127.0.0.1:{port}:{port}", "--volume", f"{self._directory}:/data/db"]
            return docker.run_command(self._part, self._container, options=options, arguments=["mongod", "--port", port, *OPTIONS])
        return [str(self._part.path), "--dbpath", str(self._directory), "--port", port, "--bind_ip", "127.0.0.1", *OPTIONS]

    async def _become_primary(self, child: Child) -> None:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            "127.0.0.1", self._port, directConnection=True, serverSelectionTimeoutMS=500, heartbeatFrequencyMS=500
        )
        async with client:
            while not await self._is_primary(client):
                if not child.running:
                    raise child.failure("Is the disk full, or is another mongod using this directory?")
                await asyncio.sleep(0.05)

    async def _is_primary(self, client: AsyncMongoClient[dict[str, Any]]) -> bool:
        try:
            hello = await client.admin.command("hello")
            if not hello.get("isWritablePrimary"):
                await self._configure(client)
        except PyMongoError:
            return False
        return bool(hello.get("isWritablePrimary"))

    async def _configure(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        """Initiate a new node; tell a node whose port had to change what its address is now."""
        member = {"_id": 0, "host": f"127.0.0.1:{self._port}"}
        try:
            config = (await client.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as error:
            if error.code != NOT_YET_INITIATED:
                raise
            await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
            return
        if config["members"][0]["host"] != member["host"]:
            config["members"][0]["host"] = member["host"]
            await client.admin.command("replSetReconfig", {**config, "version": config["version"] + 1}, force=True)

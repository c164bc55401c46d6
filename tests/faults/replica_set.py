"""A replica set of three small mongods on this machine: members that can be killed, frozen and started again one by one."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from taskgrove.local.mongod import REPLICA_SET
from taskgrove.local.parts import Program
from taskgrove.local.process import Child

START_SECONDS = 60.0
OPTIONS = (
    *("--replSet", REPLICA_SET),
    *("--bind_ip", "127.0.0.1"),
    *("--wiredTigerCacheSizeGB", "0.25"),
    *("--wiredTigerEngineConfigString", "log=(file_max=32MB,prealloc=false)"),
    *("--oplogSize", "128"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    "--nounixsocket",
    "--quiet",
)
ELECTION = {"electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500}
"""Short, so that a bench of faults ends soon: MongoDB's own defaults are 10 s and 2 s."""


@dataclass(slots=True)
class Member:
    """One mongod. `port` is its own; under `known_as` all others reach it, which may be a proxy's."""

    name: str
    port: int
    known_as: int
    directory: Path
    log: Path
    child: Child | None = None

    @property
    def address(self) -> str:
        """As it stands in the configuration of the replica set."""
        return f"127.0.0.1:{self.known_as}"


class ReplicaSet:
    """Three members, one of them primary."""

    def __init__(self, mongod: Program, members: Sequence[Member]) -> None:
        self.members = list(members)
        self._mongod = mongod

    @property
    def url(self) -> str:
        """For any client; drivers find the primary by themselves."""
        return f"mongodb://{','.join(member.address for member in self.members)}/?replicaSet={REPLICA_SET}"

    async def start(self) -> None:
        """Start all three, make them a replica set, and come back when one takes writes."""
        await asyncio.gather(*(self.start_member(member) for member in self.members))
        hosts = [{"_id": number, "host": member.address, "priority": 2 if number == 0 else 1} for number, member in enumerate(self.members)]
        async with asyncio.timeout(START_SECONDS), self.client(self.members[0]) as client:
            while not await _initiated(client, {"_id": REPLICA_SET, "members": hosts, "settings": ELECTION}):
                await asyncio.sleep(0.1)
        await self.primary()

    async def start_member(self, member: Member) -> None:
        """Start one; it may take part again a moment later."""
        member.directory.mkdir(parents=True, exist_ok=True)
        argv = [str(self._mongod.path), "--dbpath", str(member.directory), "--port", str(member.port), *OPTIONS]
        member.child = await Child.spawn(member.name, argv, env=os.environ, log=member.log)

    async def primary(self, *, seconds: float = START_SECONDS) -> Member:
        """The member that takes writes; waits for it."""
        async with asyncio.timeout(seconds):
            while True:
                for member in self.members:
                    if member.child and member.child.running and await self._is_primary(member):
                        return member
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End all of them; what they hold is thrown away."""
        children = [member.child for member in self.members if member.child]
        await asyncio.gather(*(child.stop(seconds=0.1) for child in children))

    def client(self, member: Member) -> AsyncMongoClient[dict[str, Any]]:
        """To this member alone, whatever its role."""
        return AsyncMongoClient("127.0.0.1", member.port, directConnection=True, serverSelectionTimeoutMS=1_000, socketTimeoutMS=5_000)

    async def _is_primary(self, member: Member) -> bool:
        try:
            async with self.client(member) as client:
                return bool((await client.admin.command("hello")).get("isWritablePrimary"))
        except PyMongoError:
            return False


async def _initiated(client: AsyncMongoClient[dict[str, Any]], config: dict[str, Any]) -> bool:
    try:
        await client.admin.command("replSetInitiate", config)
    except PyMongoError:
        return False
    return True

"""A private MongoDB: one journaled node that is a replica set, so that majority writes mean here what they mean in production."""

import asyncio
import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from shared.errors import BadInput
from shared.storage.prepare import grant_slices
from taskgrove.local import docker
from taskgrove.local.home import write_atomically
from taskgrove.local.parts import Image, Part
from taskgrove.local.process import Child

REPLICA_SET = "rs0"
START_SECONDS = 60.0
GRANT_MILLISECONDS = 5_000
NOT_YET_INITIATED = 94
UNAUTHORIZED = 13
WRONG_PASSWORD = 18
ADMIN = "admin"
KEY_FILE = "keyfile"
KEY_BYTES = 600
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

    def __init__(
        self, part: Part, directory: Path, *, port: int, log: Path, passwords: Mapping[str, str] | None = None, database: str = "taskgrove"
    ) -> None:
        """`passwords`: of `admin` and of each service, which has its slice of `database`; without them everybody may do everything."""
        self.child: Child | None = None
        self._passwords = passwords or {}
        self._database = database
        self._part = part
        self._directory = directory
        self._port = port
        self._log = log

    @property
    def children(self) -> list[Child]:
        """Its processes."""
        return [self.child] if self.child else []

    @property
    def url(self) -> str:
        """For who may do everything."""
        return self.url_of(ADMIN)

    def url_of(self, user: str) -> str:
        """For one user; where there are no users, for all."""
        who, source = (f"{user}:{self._passwords[user]}@", "&authSource=admin") if self._passwords else ("", "")
        return f"mongodb://{who}{self._address}/?replicaSet={REPLICA_SET}{source}"

    async def start(self) -> None:
        """Start, make it a replica set with its users the first time, and come back when it takes writes."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if isinstance(self._part, Image):
            await docker.remove(self._container)
        if self._passwords and not (key := self._directory / KEY_FILE).exists():
            # With users, members of a replica set need a key among themselves, also if there is only one.
            write_atomically(key, base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
        self.child = child = await Child.spawn(self.name, self._command(), env={**os.environ, **self._first_user()}, log=self._log)
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
        key = ["--keyFile", str(self._place() / KEY_FILE)] if self._passwords else []
        if isinstance(self._part, Image):
            options = ["--publish", f"127.0.0.1:{port}:{port}", "--volume", f"{self._directory}:{self._place()}"]
            options += [word for name in self._first_user() for word in ("--env", name)]
            return docker.run_command(self._part, self._container, options=options, arguments=["mongod", "--port", port, *OPTIONS, *key])
        return [str(self._part.path), "--dbpath", str(self._directory), "--port", port, "--bind_ip", "127.0.0.1", *OPTIONS, *key]

    def _place(self) -> Path:
        """The directory as mongod sees it."""
        return Path("/data/db") if isinstance(self._part, Image) else self._directory

    def _first_user(self) -> dict[str, str]:
        """For the image, which makes the first user before it listens to us."""
        if not self._passwords or not isinstance(self._part, Image):
            return {}
        return {"MONGO_INITDB_ROOT_USERNAME": ADMIN, "MONGO_INITDB_ROOT_PASSWORD": self._passwords[ADMIN]}

    async def _become_primary(self, child: Child) -> None:
        async with self._client() as anybody, self._client(ADMIN) as admin:
            while not await self._is_primary(anybody, admin):
                if not child.running:
                    raise child.failure("Is the disk full, or is another mongod using this directory?")
                await asyncio.sleep(0.05)
        if self._passwords:
            try:
                await asyncio.to_thread(self._grant)
            except PyMongoError as error:
                raise child.failure(f"Its users were not granted their rights ({error}). Is the disk full?") from error

    def _client(self, user: str | None = None) -> AsyncMongoClient[dict[str, Any]]:
        """Without a `user` one that may ask for the node's state, and as long as there are no users, everything."""
        access: dict[str, Any] = {"username": user, "password": self._passwords[user]} if user and self._passwords else {}
        return AsyncMongoClient(
            "127.0.0.1", self._port, directConnection=True, serverSelectionTimeoutMS=500, heartbeatFrequencyMS=500, **access
        )

    async def _is_primary(self, anybody: AsyncMongoClient[dict[str, Any]], admin: AsyncMongoClient[dict[str, Any]]) -> bool:
        try:
            hello = await anybody.admin.command("hello")
            primary = bool(hello.get("isWritablePrimary"))
            if await self._has_users(admin):
                if not primary:
                    await self._configure(admin)
            elif primary:
                await anybody.admin.command("createUser", ADMIN, pwd=self._passwords[ADMIN], roles=["root"])
            else:
                # Without users nobody may ask whether it is a replica set, though everybody on this machine may make it one.
                await self._initiate(anybody)
        except OperationFailure as error:
            if error.code == UNAUTHORIZED:
                raise BadInput(
                    f"MongoDB in {self._directory} has users with other passwords than credentials.json beside it. Put back the one that "
                    "was there, or move the directory away to begin with an empty store."
                ) from None
            return False
        except PyMongoError:
            return False
        return primary

    async def _has_users(self, admin: AsyncMongoClient[dict[str, Any]]) -> bool:
        """Whether ours is there; without passwords there are none to be had."""
        if not self._passwords:
            return True
        try:
            await admin.admin.command("ping")
        except OperationFailure as error:
            if error.code != WRONG_PASSWORD:
                raise
            return False
        return True

    def _grant(self) -> None:
        # It was primary a moment ago: if it is not found soon, it died, and who watches it must hear that before long.
        with MongoClient[dict[str, Any]](self.url, serverSelectionTimeoutMS=GRANT_MILLISECONDS) as client:
            grant_slices(client, self._database, self._passwords)

    async def _configure(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        """Initiate a new node; tell a node whose port had to change what its address is now."""
        try:
            config = (await client.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as error:
            if error.code != NOT_YET_INITIATED:
                raise
            await self._initiate(client)
            return
        if config["members"][0]["host"] != self._address:
            config["members"][0]["host"] = self._address
            await client.admin.command("replSetReconfig", {**config, "version": config["version"] + 1}, force=True)

    async def _initiate(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": self._address}]})

    @property
    def _address(self) -> str:
        return f"127.0.0.1:{self._port}"

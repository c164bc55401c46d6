"""Who holds which key. Only hashes of keys are kept; a key is shown once, when it is made."""

import hmac
import secrets
from collections.abc import Sequence

from services.approvals.domain.principals import KEY_START, Principal, key_hash
from shared.clock import Clock
from shared.storage.port import Database, Doc, Update

REMEMBER_SECONDS = 5.0
MOST_REMEMBERED = 10_000
PREFIX = 8


class Principals:
    """The collection `principals`, and what was looked up in it in the last seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = database["principals"]
        self._clock = clock
        self._remembered: dict[str, tuple[Principal, float]] = {}

    async def who(self, key: str) -> Principal | None:
        """Whose key this is. A key that was taken away may still work for five seconds."""
        digest = key_hash(key)
        if (known := self._remembered.get(digest)) and known[1] > self._clock.monotonic():
            return known[0]
        for doc in await self._collection.find({"key_hash": digest}):
            if hmac.compare_digest(doc["key_hash"], digest):
                return self._remember(digest, principal_of(doc))
        return None

    async def create(self, principal: Principal) -> str | None:
        """A new principal and the only sight of its key; None when the name is taken."""
        key = KEY_START + secrets.token_urlsafe(32)
        return None if await self._collection.insert([{**self._document(principal, key), "created_at": self._clock.now()}]) else key

    async def put(self, principal: Principal, key: str) -> bool:
        """Make the principal be as given, with this key; whether that changed anything."""
        wanted = self._document(principal, key)
        found = await self._collection.find({"_id": principal.name})
        if found and all(found[0].get(name) == value for name, value in wanted.items()):
            return False
        fields = {name: value for name, value in wanted.items() if name != "_id"}
        change = {"$set": fields, "$setOnInsert": {"created_at": self._clock.now()}}
        await self._collection.bulk([Update({"_id": principal.name}, change, upsert=True)])
        self._remembered.clear()
        return True

    async def everyone(self) -> Sequence[Doc]:
        """Everyone, without what is kept of their keys."""
        return await self._collection.find({}, ("prefix", "roles", "groups", "created_at"), sort=(("_id", 1),))

    async def delete(self, name: str) -> bool:
        """Take the key away; whether there was one."""
        deleted = await self._collection.delete({"_id": name})
        self._remembered.clear()
        return bool(deleted)

    def _remember(self, digest: str, principal: Principal) -> Principal:
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = (principal, self._clock.monotonic() + REMEMBER_SECONDS)
        return principal

    def _document(self, principal: Principal, key: str) -> Doc:
        return {
            "_id": principal.name,
            "key_hash": key_hash(key),
            "prefix": key[:PREFIX],
            "roles": sorted(principal.roles),
            "groups": sorted(principal.groups),
        }


def principal_of(doc: Doc) -> Principal:
    """A principal from its document."""
    return Principal(doc["_id"], frozenset(doc["roles"]), frozenset(doc["groups"]))

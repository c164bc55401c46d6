"""Who is logged in with a browser, and the links that log in once. Only hashes of what opens are kept; what is over goes by itself."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.approvals.domain.principals import Principal, key_hash
from services.approvals.store.principals import REMEMBER_SECONDS, principal_of
from shared.clock import Clock
from shared.storage.port import Database, Doc

SESSION, LINK = "session", "link"
SESSION_HOURS, LINK_MINUTES = 12, 5
MOST_DAYS = 7
"""However active somebody is: a session that was stolen, or forgotten on a screen, does not last for ever."""
RENEW_AFTER = timedelta(hours=1)
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Opened:
    """What opens, once: only its hash is kept. `until` is when it opens no more."""

    secret: str
    until: datetime


class Sessions:
    """The collection `sessions`, bound to keys: with a principal's key their sessions and links end as well."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = database["sessions"]
        self._principals = database["principals"]
        self._clock = clock
        self._remembered: dict[str, tuple[Principal, float]] = {}

    async def open(self, name: str) -> Opened:
        """A new session of this principal."""
        return await self._add(name, SESSION, timedelta(hours=SESSION_HOURS))

    async def link(self, name: str) -> Opened:
        """A new link that logs this principal in, once."""
        return await self._add(name, LINK, timedelta(minutes=LINK_MINUTES))

    async def who(self, secret: str) -> Principal | None:
        """Whose session this is; being used, it goes on. A key that was taken away may still work for five seconds."""
        digest = key_hash(secret)
        if (known := self._remembered.get(digest)) and known[1] > self._clock.monotonic():
            return known[0]
        self._remembered.pop(digest, None)
        doc = await self._get(digest, SESSION)
        principal = await self._holder(doc)
        if doc and principal:
            await self._renew(doc)
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = (principal, self._clock.monotonic() + REMEMBER_SECONDS)
        return principal

    async def follow(self, secret: str) -> Principal | None:
        """Use a link up: of many who try, one gets whose it is. None: it was used, is too old, or never was."""
        doc = await self._get(key_hash(secret), LINK)
        if doc is None or not await self._collection.delete({"_id": doc["_id"]}):
            return None
        return await self._holder(doc)

    async def close(self, secret: str) -> None:
        """End a session. Other processes may take it for five seconds more."""
        digest = key_hash(secret)
        self._remembered.pop(digest, None)
        await self._collection.delete({"_id": digest})

    async def _add(self, name: str, kind: str, lasts: timedelta) -> Opened:
        holder = (await self._principals.find({"_id": name}))[0]
        opened, now = secrets.token_urlsafe(32), self._clock.now()
        doc = {"_id": key_hash(opened), "kind": kind, "name": name, "key_hash": holder["key_hash"], "at": now, "expires_at": now + lasts}
        await self._collection.insert([doc])
        return Opened(opened, now + lasts)

    async def _renew(self, doc: Doc) -> None:
        """Who is at work is not thrown out: a session ends so long after its last use. Written at most once in RENEW_AFTER."""
        until = min(self._clock.now() + timedelta(hours=SESSION_HOURS), doc["at"] + timedelta(days=MOST_DAYS))
        if until - doc["expires_at"] >= RENEW_AFTER:
            await self._collection.update({"_id": doc["_id"]}, {"$set": {"expires_at": until}})

    async def _get(self, digest: str, kind: str) -> Doc | None:
        found = await self._collection.find({"_id": digest, "kind": kind})
        return found[0] if found and found[0]["expires_at"] > self._clock.now() else None

    async def _holder(self, doc: Doc | None) -> Principal | None:
        if doc is None:
            return None
        found = await self._principals.find({"_id": doc["name"], "key_hash": doc["key_hash"]})
        return principal_of(found[0]) if found else None

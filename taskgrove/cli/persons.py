"""Acts as a named person: with a key that was made for them here before, or one that the admin key makes now."""

import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from filelock import AsyncFileLock

from shared.errors import BadInput, Conflict, Forbidden, NotFound, Unauthorized
from taskgrove.cli.place import Place
from taskgrove.client import Client
from taskgrove.local.home import default_home, write_atomically

APPROVER = "approver"


@dataclass(frozen=True, slots=True)
class Person:
    """A key that was made here, and the groups that it was made for."""

    key: str
    groups: frozenset[str]


class PersonClients:
    """Clients by name. `async with` closes them."""

    def __init__(self, place: Place, admin: Client, *, say: Callable[[str], None], connect: Callable[[str], Client] | None = None) -> None:
        """`say` tells of people who are made here; `connect` opens a client with a key: at `place`, unless it says otherwise."""
        self._connect = connect or (lambda key: Client(place.url, key=key))
        self._say = say
        self._place = place
        self._admin = admin
        self._clients: dict[str, tuple[Client, Person]] = {}
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    async def of(self, name: str, *, groups: Sequence[str]) -> Client:
        """A client that acts as this person, who is in these groups, or is named by them. Raises BadInput if that cannot be.

        A group that has somebody's name is that person's alone.
        """
        wanted = frozenset() if name in groups else await self._nobodys(frozenset(groups))
        if groups and not wanted and name not in groups:
            asked = " or ".join(sorted(groups))
            raise BadInput(f"this asks {asked}, and not {name}: who has such a name here answers for themselves; let them, or act as them")
        known = self._clients.get(name)
        # Another command may have made the person anew meanwhile, with more groups and another key.
        if known and wanted <= known[1].groups and self._kept().get(name) == known[1]:
            return known[0]
        person = await self._person(name, wanted)
        client = await self._closing.enter_async_context(self._connect(person.key))
        self._clients[name] = (client, person)
        return client

    async def _person(self, name: str, wanted: frozenset[str]) -> Person:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Of two commands at once the second would find the name taken, and not have the key.
        async with AsyncFileLock(f"{self._file}.lock"):
            return await self._kept_or_made(name, wanted)

    async def _kept_or_made(self, name: str, wanted: frozenset[str]) -> Person:
        kept = self._kept()
        person = kept.get(name)
        if person and await self._is_valid(name, person):  # else the name may be somebody else's by now
            if wanted <= person.groups:
                return person
            wanted |= await self._nobodys(person.groups)
            await self._forget(name)
            news = "is now"
        else:
            news = "is new here,"
        person = Person(await self._create(name, wanted), wanted)
        self._keep({**kept, name: person})
        self._say(f"{name} {news} in {_named(wanted)}")
        return person

    async def _nobodys(self, groups: frozenset[str]) -> frozenset[str]:
        """Those that are not the name of somebody: whoever were put into such a group would answer in their place."""
        try:
            return groups.difference(await self._admin.principals()) if groups else groups
        except Forbidden:  # only an admin may know, and only an admin makes a person or enlarges one
            return groups

    async def _create(self, name: str, groups: frozenset[str]) -> str:
        try:
            return await self._admin.create_principal(name, roles=[APPROVER], groups=sorted(groups))
        except Conflict as error:
            raise BadInput(
                f"there is a person {name!r} here already, whose key this machine does not have; "
                "set TASKGROVE_KEY to it and leave out --as or --approve-as, or choose another name"
            ) from error

    async def _is_valid(self, name: str, person: Person) -> bool:
        try:
            async with self._connect(person.key) as client:
                return (await client.whoami()).get("name") == name
        except Unauthorized:
            return False

    async def _forget(self, name: str) -> None:
        try:
            await self._admin.delete_principal(name)
        except NotFound:
            return

    def _kept(self) -> dict[str, Person]:
        kept = self._read().get(self._scope, {})
        return {name: Person(one["key"], frozenset(one["groups"])) for name, one in kept.items()}

    def _keep(self, people: dict[str, Person]) -> None:
        text = {name: {"key": person.key, "groups": sorted(person.groups)} for name, person in people.items()}
        write_atomically(self._file, json.dumps({**self._read(), self._scope: text}, indent=2))

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found: dict[str, dict[str, Any]] = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    @property
    def _file(self) -> Path:
        """Where the keys are kept that were made from this machine; its owner's alone."""
        return (self._place.home or default_home()) / "people.json"

    @property
    def _scope(self) -> str:
        """A data directory may get another port; a Taskgrove elsewhere is known by its address."""
        return "here" if self._place.home else self._place.url


def _named(groups: frozenset[str]) -> str:
    return f"group{'s' * (len(groups) > 1)} {', '.join(sorted(groups))}" if groups else "no group"

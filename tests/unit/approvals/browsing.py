"""A browser without a window: cookies, forms and the token in them."""

import re
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.unit.approvals.desk import Desk

TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass(slots=True)
class Tab:
    """Somebody's session. Redirects are not followed: where they lead is what tests look at."""

    client: httpx2.AsyncClient
    csrf: str = ""

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """A page."""
        return await self.client.get(path, headers=headers)

    async def send(self, path: str, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
        """A form with its token."""
        return await self.client.post(path, data={"csrf": self.csrf, **fields}, headers=headers)


def stranger(desk: Desk) -> Tab:
    """Nobody yet."""
    return Tab(httpx2.AsyncClient(transport=httpx2.ASGITransport(app=desk.app), base_url="http://approvals"))


async def log_in(desk: Desk, name: str) -> Tab:
    """This person, logged in by their key."""
    tab = stranger(desk)
    answer = await tab.client.post("/login", data={"key": desk.keys[name]})
    assert answer.status_code == 303, answer.text
    found = TOKEN.search((await tab.get("/inbox")).text)
    tab.csrf = found[1] if found else ""
    return tab

"""One Taskgrove with all its real parts, and one Chromium, for all tests of this directory."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Browser, async_playwright, expect

from taskgrove.cli.place import local_key
from taskgrove.local.supervisor import LocalStack
from tests.browser.visitor import PHONE, Visitor, visit
from tests.needs import needed

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
SETTINGS = {
    "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    "TASKGROVE_SEQUENCER_RETRY_BASE_SECONDS": "0.2",
    "TASKGROVE_DRAIN_SECONDS": "2",
}
PATIENCE_MILLISECONDS = 20_000

expect.set_options(timeout=PATIENCE_MILLISECONDS)  # a page's own time-out is not that of what is expected of it: that would be 5 s

Person = Callable[..., Awaitable[httpx2.AsyncClient]]


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    """It is up, on a data directory in memory."""
    start = time.monotonic()
    async with LocalStack(ephemeral=True, settings=SETTINGS) as stack:
        print(f"\nTaskgrove took {time.monotonic() - start:.1f} s to start")
        yield stack


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, or the one that TASKGROVE_TEST_CHROMIUM names."""
    executable = needed("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def http(stack: LocalStack) -> AsyncIterator[httpx2.AsyncClient]:
    """The API, with the admin's key."""
    async with _client(stack, local_key(stack.home) or "") as client:
        yield client


@pytest.fixture
async def person(stack: LocalStack, http: httpx2.AsyncClient) -> AsyncIterator[Person]:
    """Makes a person with these roles and groups; gives the API with their key. They are gone after the test."""
    made: dict[str, httpx2.AsyncClient] = {}

    async def make(name: str, *roles: str, groups: tuple[str, ...] = ()) -> httpx2.AsyncClient:
        answer = await http.post("/principals", json={"name": name, "roles": list(roles), "groups": list(groups)})
        made[name] = _client(stack, answer.json()["key"])
        return made[name]

    yield make
    for name, client in made.items():
        await client.aclose()
        await http.delete(f"/principals/{name}")


@pytest.fixture
async def stranger(browser: Browser, stack: LocalStack) -> AsyncIterator[Visitor]:
    """Somebody who is not logged in."""
    async for visitor in _visitor(browser, stack):
        yield visitor


@pytest.fixture
async def visitor(browser: Browser, stack: LocalStack, http: httpx2.AsyncClient) -> AsyncIterator[Visitor]:
    """The admin, logged in. At the end nothing may have left the origin, and the console must be empty."""
    async for visitor in _visitor(browser, stack):
        await visitor.enter(http)
        yield visitor
        visitor.assert_clean()


@pytest.fixture
async def second(browser: Browser, stack: LocalStack) -> AsyncIterator[Visitor]:
    """Somebody else in a browser of their own, not logged in."""
    async for visitor in _visitor(browser, stack):
        yield visitor


@pytest.fixture
async def phone(browser: Browser, stack: LocalStack, http: httpx2.AsyncClient) -> AsyncIterator[Visitor]:
    """The admin with a small telephone, logged in."""
    async for visitor in _visitor(browser, stack, size=PHONE):
        await visitor.enter(http)
        yield visitor
        visitor.assert_clean()


async def _visitor(browser: Browser, stack: LocalStack, **settings: dict[str, int]) -> AsyncIterator[Visitor]:
    visitor = await visit(browser, stack.api_url, **settings)
    visitor.page.set_default_timeout(PATIENCE_MILLISECONDS)
    yield visitor
    await visitor.context.close()


def _client(stack: LocalStack, key: str) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.AsyncClient(base_url=stack.api_url, headers=headers, timeout=30, trust_env=False)

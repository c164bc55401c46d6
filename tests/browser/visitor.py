"""One person with a browser of their own: what they open, and what that browser loaded, complained of and showed."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, Request

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@dataclass
class Visitor:
    """A browser context with one page. `foreign` are requests that left the origin, `complaints` what the console said."""

    url: str
    context: BrowserContext
    page: Page
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def go(self, path: str) -> None:
        """Open a page of the dashboard."""
        await self.page.goto(self.url + path)

    async def enter(self, http: httpx2.AsyncClient) -> None:
        """Log in as the owner of this client's key, by a one-time link."""
        link = (await http.post("/links")).json()["path"]
        await self.page.goto(self.url + link)
        await self.page.wait_for_url(f"{self.url}/")

    async def text(self) -> str:
        """All that the page says."""
        return await self.page.locator("body").inner_text()

    async def assert_accessible(self) -> None:
        """Axe finds nothing."""
        found = await Axe().run(self.page, options=RULES)
        lines = [
            f"{one['id']}: {node['html'][:160]} {node['failureSummary']}" for one in found.response["violations"] for node in one["nodes"]
        ]
        assert lines == [], "\n".join(lines)

    async def assert_fits(self) -> None:
        """Nothing is wider than the window."""
        width = await self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= (self.page.viewport_size or PHONE)["width"]

    def assert_clean(self) -> None:
        """No request left the origin, and the console is empty: no policy was broken, no script failed."""
        assert self.foreign == [], self.foreign
        assert self.complaints == [], self.complaints


async def visit(browser: Browser, url: str, *, size: dict[str, int] = WIDE, **settings: Any) -> Visitor:
    """A new visitor, not logged in."""
    context = await browser.new_context(viewport=size, **settings)
    visitor = Visitor(url, context, await context.new_page())
    origin = urlsplit(url).netloc

    def note(request: Request) -> None:
        if request.url.startswith(("http:", "https:", "ws:", "wss:")) and urlsplit(request.url).netloc != origin:
            visitor.foreign.append(request.url)

    context.on("request", note)
    visitor.page.on("console", lambda message: visitor.complaints.append(message.text) if message.type in ("error", "warning") else None)
    visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    return visitor

"""`taskgrove up` opens the dashboard, logged in by a link that works once; or prints that link where it may not, or cannot."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2

from tests.e2e.grove import Grove
from tests.e2e.terminal import a_browser, at_terminal

PRINTED = re.compile(r"(http://\S+token=\S+) \(works once, within 5 minutes\)")
SEE_OTHER, UNAUTHORIZED = 303, 401


async def assert_logs_in_once(link: str) -> None:
    """As the page behind the link does it: the token is sent by the browser's own POST."""
    parts = urlsplit(link)
    (token,) = parse_qs(parts.query)["token"]
    async with httpx2.AsyncClient(base_url=f"{parts.scheme}://{parts.netloc}", trust_env=False, timeout=30) as tab:
        asks = await tab.get(link)
        assert (asks.status_code, token in asks.text) == (200, True), "to look at it does not use it up"
        enters = await tab.post(parts.path, data={"token": token})
        assert (enters.status_code, enters.headers["location"]) == (SEE_OTHER, "/")
        assert "Log out" in (await tab.get("/")).text
    async with httpx2.AsyncClient(base_url=f"{parts.scheme}://{parts.netloc}", trust_env=False, timeout=30) as other:
        again = await other.post(parts.path, data={"token": token})
        assert (again.status_code, "was used already" in again.text) == (UNAUTHORIZED, True)


async def test_up_opens_it_once_and_shows_nobody_the_link(second: Grove, tmp_path: Path) -> None:
    browser = a_browser(tmp_path)
    async with at_terminal(second, "up", **browser.env) as terminal:
        said = await terminal.until_said("Ctrl-C ends it.")
        assert "dashboard:   is open in your browser" in said
        assert "token=" not in said
        link = await browser.link()
        assert link.startswith(second.state.api_url)
        await assert_logs_in_once(link)
        assert await terminal.interrupt() == 0
        assert "Stopped; the data stay in" in terminal.text


async def test_up_no_open_prints_the_link(second: Grove, tmp_path: Path) -> None:
    browser = a_browser(tmp_path)
    async with at_terminal(second, "up", "--no-open", "--detach", **browser.env) as terminal:
        said = await terminal.until_said("API key:")
        found = PRINTED.search(said)
        assert found, said
        await assert_logs_in_once(found[1])
    assert not browser.given.exists()
    assert (await second.cli("down")).status == 0


async def test_without_a_window_the_link_is_printed(grove: Grove, tmp_path: Path) -> None:
    browser = a_browser(tmp_path)
    async with at_terminal(grove, "open", BROWSER=browser.env["BROWSER"]) as terminal:
        said = await terminal.until_said("token=")
    assert "Dashboard (works once, within 5 minutes): http://" in said
    assert not browser.given.exists()


async def test_open_opens_it_where_there_is_a_window(grove: Grove, tmp_path: Path) -> None:
    browser = a_browser(tmp_path)
    async with at_terminal(grove, "open", **browser.env) as terminal:
        said = await terminal.until_said("is open in your browser.")
        await assert_logs_in_once(await browser.link())
    assert "token=" not in said

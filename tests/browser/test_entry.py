"""In and out of the dashboard with a real browser."""

import json
import re

import httpx2
from playwright.async_api import expect

from taskgrove.local.supervisor import LocalStack
from tests.browser.visitor import Visitor


def admin_key(stack: LocalStack) -> str:
    return str(json.loads(stack.home.keys.read_text(encoding="utf-8"))[0]["key"])


async def test_a_key_logs_in_and_leads_back(stranger: Visitor, stack: LocalStack) -> None:
    page = stranger.page
    await stranger.go("/inbox?show=all")
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    await stranger.assert_accessible()
    await page.get_by_label("API key").fill("tg_" + "x" * 40)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not known")
    await page.get_by_label("API key").fill(admin_key(stack))
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/inbox?show=all")
    await expect(page.get_by_text("local", exact=True)).to_be_visible()
    cookie = next(one for one in await stranger.context.cookies() if one["name"].startswith("taskgrove"))
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert await page.evaluate("document.cookie") == ""
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_text("You are logged out.")).to_be_visible()
    assert stranger.foreign == []


async def test_a_link_works_once(stranger: Visitor, second: Visitor, http: httpx2.AsyncClient) -> None:
    link = (await http.post("/links")).json()["path"]
    await stranger.go(link)
    await stranger.page.wait_for_url(f"{stranger.url}/")
    await expect(stranger.page.get_by_role("heading", name="Runs")).to_be_visible()
    await second.go(link)
    await expect(second.page.get_by_role("alert")).to_contain_text("was used already")


async def test_a_session_that_is_over_leads_to_the_login_even_from_a_part_of_a_page(stranger: Visitor, http: httpx2.AsyncClient) -> None:
    await stranger.enter(http)
    await stranger.go("/?show=active")
    cookie = next(one for one in await stranger.context.cookies() if one["name"].startswith("taskgrove"))
    await stranger.context.add_cookies([{**cookie, "value": "over"}])
    await stranger.page.wait_for_url(re.compile("/login[?]next="))
    await expect(stranger.page.get_by_text("Your session is over.")).to_be_visible()
    await expect(stranger.page.locator("input[name=next]")).to_have_value("/?show=active")

"""In and out of the dashboard with a real browser."""

import json

import httpx2
from playwright.async_api import Dialog, expect

from taskgrove.local.supervisor import LocalStack
from tests.browser.conftest import Person
from tests.browser.runs import asked, ended, shell, submit
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


async def test_the_end_of_a_session_takes_nothing_from_whoever_is_typing(stranger: Visitor, http: httpx2.AsyncClient) -> None:
    await stranger.enter(http)
    await stranger.go("/submit")
    page = stranger.page
    await page.get_by_label("What is to be done").fill("typed for an hour")
    cookie = next(one for one in await stranger.context.cookies() if one["name"].startswith("taskgrove"))
    await stranger.context.add_cookies([{**cookie, "value": "over"}])
    await expect(page.get_by_text("Your session is over.").first).to_be_visible()
    await page.get_by_role("button", name="Preview plan").click()
    await expect(page.locator("#notice")).to_contain_text("this was not taken")
    await stranger.assert_accessible()
    await expect(page.get_by_label("What is to be done")).to_have_value("typed for an hour")

    async with stranger.context.expect_page() as opened:
        await page.get_by_role("link", name="Log in in another tab").click()
    elsewhere = await opened.value
    await elsewhere.goto(stranger.url + (await http.post("/links")).json()["path"])
    await elsewhere.wait_for_url(f"{stranger.url}/")
    await page.bring_to_front()
    await expect(page.get_by_text("Your session is over.").first).to_be_hidden()
    await page.get_by_label("Text").fill("# Kept\n\n## One\n\n```sh\ntrue\n```\n")
    await page.get_by_role("button", name="Preview plan").click()
    await page.wait_for_url("**/plan")


async def test_the_page_of_a_run_goes_on_with_the_next_session(stranger: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "Watched on", shell("a", "true", checkpoint={"when": "before"}))
    question = await asked(http, run_id)
    await stranger.enter(http)
    await stranger.go(f"/runs/{run_id}")
    page = stranger.page
    await expect(page.locator("#run[data-live=yes]")).to_be_visible()
    token = await page.locator("#waiting").get_attribute("data-csrf")
    async with page.expect_response(lambda answer: "/stream" in answer.url and answer.status == 401):
        await stranger.context.request.post(f"{stranger.url}/logout", form={"csrf": str(token)})
    await expect(page.get_by_text("Your session is over.").first).to_be_visible()
    await expect(page.get_by_text("No connection to Taskgrove")).to_be_hidden()
    elsewhere = await stranger.context.new_page()
    async with page.expect_response(lambda answer: "/stream" in answer.url and answer.status == 200):
        await elsewhere.goto(stranger.url + (await http.post("/links")).json()["path"])
        await elsewhere.wait_for_url(f"{stranger.url}/")
    await http.post("/approvals", json={"approvalId": question, "decision": "approve"})
    await expect(page.locator("#run-head")).to_contain_text("completed")
    assert page.url == f"{stranger.url}/runs/{run_id}"


async def test_after_the_end_of_a_session_nobody_is_asked_in_html(stranger: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "To do again", shell("a", "true"))
    await ended(http, run_id)
    await stranger.enter(http)
    await stranger.go(f"/runs/{run_id}?task=1")
    cookie = next(one for one in await stranger.context.cookies() if one["name"].startswith("taskgrove"))
    await stranger.context.add_cookies([{**cookie, "value": "over"}])
    asked_for: list[str] = []

    async def answer(dialog: Dialog) -> None:
        asked_for.append(dialog.message)
        await dialog.dismiss()

    stranger.page.on("dialog", answer)
    button = stranger.page.locator("#panel").get_by_role("button", name="Run again from here")
    await button.click()
    await expect(stranger.page.locator("form[data-busy]")).to_have_count(0)
    assert asked_for == ["What this means could not be found out. Do it all the same?"]


async def test_a_page_does_not_go_on_as_somebody_else(stranger: Visitor, http: httpx2.AsyncClient, person: Person) -> None:
    await stranger.enter(http)
    await stranger.go("/submit")
    elsewhere = await stranger.context.new_page()
    pat = await person("pat", "approver")
    await elsewhere.goto(stranger.url + (await pat.post("/links")).json()["path"])
    await elsewhere.wait_for_url(f"{stranger.url}/")
    await expect(stranger.page.get_by_text("This browser is logged in as pat now.")).to_be_visible()
    await stranger.page.get_by_label("Text").fill("# As whom?\n")
    await stranger.page.get_by_role("button", name="Preview plan").click()
    await expect(stranger.page.locator("#notice")).to_contain_text("no valid token")

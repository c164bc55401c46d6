"""Submitting with a real browser: what is wrong is said on the page, and nothing is lost or started by it."""

import re
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import Route, expect

from tests.browser.runs import ended
from tests.browser.visitor import Visitor

NOTES = "# From a file\n\n## One\n\n```sh\necho one > one.txt\n```\n\n## Two\n- after: One\n\n```sh\ntrue\n```\n"
WRONG = "# Wrong\n\n## One\n- after: Twoo\n\n```sh\ntrue\n```\n\n## Two\n\n```sh\ntrue\n```\n"


async def drafted(visitor: Visitor, title: str) -> str:
    """The run of a draft that was submitted by the form; its plan is shown."""
    page = visitor.page
    await visitor.go("/submit")
    await page.get_by_label("Text").fill(NOTES.replace("From a file", title))
    await page.get_by_role("button", name="Preview plan").click()
    await page.wait_for_url("**/plan")
    return str(page.url.split("/")[-2])


async def test_errors_of_the_notes_stand_with_file_and_line_and_can_be_mended(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    page = visitor.page
    await visitor.go("/submit")
    await page.get_by_label("Text").fill(WRONG)
    await page.get_by_role("button", name="Preview plan").click()
    await expect(page.get_by_role("alert").filter(has_text="nothing was started")).to_contain_text(re.compile(r"notes\.md:4.*Twoo"))
    await visitor.assert_accessible()
    await page.get_by_role("link", name="Mend it").click()
    text = page.get_by_label("Text")
    await expect(text).to_have_value(re.compile("after: Twoo"))
    await text.fill(WRONG.replace("Twoo", "Two"))
    await page.get_by_role("button", name="Start without preview").click()
    await page.wait_for_url(re.compile(r"/runs/[0-9a-f]+$"))
    assert await ended(http, page.url.split("/")[-1]) == "completed"


async def test_files_are_uploaded_and_a_double_click_starts_once(visitor: Visitor, http: httpx2.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text(NOTES)
    (tmp_path / "more.md").write_text("## Three\n\n```sh\ntrue\n```\n")
    page = visitor.page
    before = {item["taskId"] for item in (await http.get("/tasks", params={"roots": True, "limit": 500})).json()["items"]}
    await visitor.go("/submit")
    await page.get_by_label("Upload files").set_input_files([tmp_path / "plan.md", tmp_path / "more.md"])
    await expect(page.locator("#files-list")).to_contain_text("plan.md")
    await page.get_by_role("button", name="Start without preview").dblclick()
    await page.wait_for_url(re.compile(r"/runs/[0-9a-f]+$"))
    run = page.url.split("/")[-1]
    assert await ended(http, run) == "completed"
    after = {item["taskId"] for item in (await http.get("/tasks", params={"roots": True, "limit": 500})).json()["items"]}
    assert after - before == {run}


async def test_50_mb_are_refused_on_the_page_before_and_by_the_server(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "large.md").write_bytes(b"# large\n" + b"x" * 50_000_000)
    page = visitor.page
    await visitor.go("/submit")
    await page.get_by_label("What is to be done").fill("kept while it is mended")
    await page.get_by_label("Upload files").set_input_files(tmp_path / "large.md")
    await page.get_by_role("button", name="Preview plan").click()
    await expect(page.get_by_role("alert").filter(has_text="413")).to_contain_text("at most 4.0 MiB")
    assert visitor.complaints == []
    await page.evaluate("document.getElementById('submit').dataset.most = '1e12'")
    await page.get_by_role("button", name="Preview plan").click()
    await expect(page.locator("#notice")).to_contain_text("larger than", timeout=30_000)
    await expect(page.get_by_label("What is to be done")).to_have_value("kept while it is mended")
    visitor.complaints.clear()  # the browser notes the 413


@pytest.mark.parametrize("answer", ["error", "none"])
async def test_what_is_not_known_is_said_and_sending_it_again_is_one_run(visitor: Visitor, http: httpx2.AsyncClient, answer: str) -> None:
    page = visitor.page
    runs: list[str] = []

    async def lose(route: Route) -> None:
        taken = await route.fetch()
        runs.append(taken.headers["hx-redirect"].split("/")[2])
        await (route.fulfill(status=503) if answer == "error" else route.abort())

    await visitor.go("/submit")
    await page.get_by_label("Text").fill(NOTES.replace("From a file", "Not known"))
    await page.route("**/submit", lose)
    await page.get_by_role("button", name="Preview plan").click()
    said = page.locator("#notice").get_by_role("alert")
    await expect(said).to_contain_text("Perhaps" if answer == "none" else "503")
    await expect(said).to_contain_text("it stays one run")
    await expect(said).not_to_contain_text("Nothing was started")
    await expect(page.get_by_text("No connection to Taskgrove")).to_be_hidden()
    await expect(said).to_be_visible()
    await page.unroute("**/submit")
    await page.get_by_role("button", name="Preview plan").click()
    await page.wait_for_url(f"**/runs/{runs[0]}/plan")
    await http.put(f"/tasks/{runs[0]}", json={"action": "cancel"})
    visitor.complaints.clear()  # the browser notes what did not arrive


async def test_a_draft_is_seen_as_one_and_can_be_discarded(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    page, run = visitor.page, await drafted(visitor, "Only a draft")
    await expect(page.get_by_role("button", name="Discard")).to_be_visible()
    await visitor.go(f"/runs/{run}")
    await expect(page.locator("#run-head")).to_contain_text("draft, not started")
    await page.locator("#run-head").get_by_role("link").click()
    await page.get_by_role("button", name="Discard").click()
    await page.wait_for_url("**/submit")
    assert await ended(http, run) == "cancelled"


async def stay(route: Route) -> None:
    """The page stays where it is, as when somebody stops loading the next one."""
    await route.fulfill(status=204)


async def test_a_button_whose_answer_was_stopped_works_again(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    page, run = visitor.page, await drafted(visitor, "Stopped")
    await page.route("**/discard", stay)
    await page.get_by_role("button", name="Discard").click()
    await expect(page.locator("form[data-sent]")).to_have_count(1)
    await page.unroute("**/discard")
    await expect(page.locator("form[data-sent]")).to_have_count(0)
    await page.get_by_role("button", name="Discard").click()
    await page.wait_for_url("**/submit")
    assert await ended(http, run) == "cancelled"


async def test_it_fits_a_telephone(phone: Visitor) -> None:
    await phone.go("/submit")
    await phone.assert_fits()
    await phone.assert_accessible()
    await phone.page.get_by_label("Text").fill(NOTES)
    await phone.page.get_by_role("button", name="Preview plan").click()
    await expect(phone.page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    await phone.assert_fits()
    await phone.assert_accessible()

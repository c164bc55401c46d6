"""The list of runs with a real browser."""

import httpx2
from playwright.async_api import expect

from tests.browser.runs import asked, ended, shell, submit
from tests.browser.visitor import Visitor

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"


async def test_a_run_appears_goes_on_and_ends_without_a_reload(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    await visitor.go("/")
    await visitor.page.evaluate("window.same = true")
    run_id = await submit(http, "Goes by itself", shell("a", "true"), shell("b", "sleep 1", "a"))
    row = visitor.page.locator(f"#run-{run_id}")
    await expect(row).to_contain_text("Goes by itself")
    await expect(row).to_contain_text("completed")
    await expect(row).to_contain_text("2 / 2")
    assert await visitor.page.evaluate("window.same") is True
    assert await ended(http, run_id) == "completed"


async def test_what_waits_names_who_it_waits_for_and_leads_there(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "Waits", shell("a", "true", checkpoint={"when": "before", "approvers": ["release"]}))
    question = await asked(http, run_id)
    await visitor.go("/?q=Waits")
    await visitor.page.locator(f"#run-{run_id}").get_by_role("link", name="release").click()
    await visitor.page.wait_for_url(f"**/inbox/{question}")
    await expect(visitor.page.get_by_role("heading", name="May 'Task a' start?")).to_be_visible()
    await http.put(f"/tasks/{run_id}", json={"action": "cancel"})


async def test_filters_and_search_find_what_they_say(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    good = await submit(http, "Needle that is good", shell("a", "true"))
    bad = await submit(http, "Needle that is bad", shell("a", "false", retries=0, on_failure="fail"))
    await ended(http, good)
    await ended(http, bad)
    await visitor.go("/")
    await visitor.page.get_by_role("searchbox").fill("needle that")
    await visitor.page.get_by_role("searchbox").press("Enter")
    await expect(visitor.page.locator("tbody tr")).to_have_count(2)
    await visitor.page.get_by_role("link", name="Failed").click()
    await expect(visitor.page.locator("tbody tr")).to_have_count(1)
    await expect(visitor.page.locator(f"#run-{bad}")).to_contain_text("failed")


async def test_script_in_a_title_is_text(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, HOSTILE, shell("a", "true", title=HOSTILE, checkpoint={"when": "before"}))
    question = await asked(http, run_id)
    for path in ("/", "/inbox", f"/inbox/{question}", f"/runs/{run_id}", f"/runs/{run_id}?task=1&show=graph"):
        await visitor.go(path)
        assert HOSTILE in await visitor.text()
        assert "taken" not in await visitor.page.title() or HOSTILE in await visitor.page.title()
        assert await visitor.page.locator("img[src=x]").count() == 0
    await http.put(f"/tasks/{run_id}", json={"action": "cancel"})


async def test_a_lost_connection_is_told_and_mended(visitor: Visitor) -> None:
    await visitor.go("/")
    await visitor.context.set_offline(True)
    await expect(visitor.page.get_by_text("No connection to Taskgrove")).to_be_visible()
    await visitor.context.set_offline(False)
    await expect(visitor.page.get_by_text("No connection to Taskgrove")).to_be_hidden()
    visitor.complaints.clear()  # the browser notes each request that failed


async def test_it_can_be_used_by_all_and_fits_a_telephone(visitor: Visitor, phone: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "A title so long that it must be broken " * 4, shell("a", "true", checkpoint={"when": "before"}))
    await asked(http, run_id)
    for scheme in ("light", "dark"):
        await visitor.page.emulate_media(color_scheme=scheme)
        await visitor.go("/")
        await visitor.assert_accessible()
    await phone.go("/")
    await phone.assert_fits()
    await phone.assert_accessible()
    await http.put(f"/tasks/{run_id}", json={"action": "cancel"})

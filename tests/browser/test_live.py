"""That the page of a run shows what happens: from the preview of its plan to its result, and through lost connections without a gap."""

import asyncio
import os
import re
import signal
from typing import Any

import httpx2
from playwright.async_api import Route, expect

from taskgrove.local.state import read_state
from taskgrove.local.supervisor import LocalStack
from tests.browser.runs import asked, ended, shell, submit
from tests.browser.visitor import Visitor

LINKS = 14
NOTES = """# Small release

## Build
- check: test -s dist.txt

```sh
sleep 4; echo built | tee dist.txt
```

## Publish
- after: Build
- approval: before

```sh
cat "$TASKGROVE_INPUTS"/*/dist.txt > out.txt || echo built > out.txt; echo published >> out.txt
```
"""
NOTE = """
    window.same = true;
    window.told = [];
    const live = document.getElementById("live");
    live.addEventListener("changed", (event) => window.told.push([Number(event.detail.id), JSON.parse(event.detail.data)]));
"""


def chain(links: int, seconds: float) -> list[dict[str, Any]]:
    """Tasks one after another."""
    return [shell(f"k{n}", f"sleep {seconds}; echo link {n}", *([f"k{n - 1}"] if n else [])) for n in range(links)]


async def test_from_the_preview_of_a_plan_to_the_result(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    page = visitor.page
    await visitor.go("/submit")
    await page.get_by_label("Text").fill(NOTES)
    await visitor.assert_accessible()
    await page.get_by_role("button", name="Preview plan").click()
    await page.wait_for_url("**/plan")
    run = page.url.split("/")[-2]
    await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    await expect(page.locator(".plan-tree")).to_contain_text("approval before it")
    await visitor.assert_accessible()
    assert (await http.get(f"/tasks/{run}")).json()["childIds"] == []
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.wait_for_url(f"**/runs/{run}")
    await page.evaluate("window.same = true")
    await expect(page.locator('#rows tr[data-place="1"]')).to_contain_text("running")
    await expect(page.locator('#rows tr[data-place="1"]')).to_contain_text("completed")
    await page.locator("#run-head").get_by_role("link", name="May 'Publish' start?").click()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("status").filter(has_text="You have approved")).to_be_visible()
    await visitor.go(f"/runs/{run}?task=2")
    await expect(page.locator("#run-head")).to_contain_text("2 of 2 done")
    async with page.expect_download() as download:
        await page.locator("#panel .files").get_by_role("link", name="out.txt").click()
    file = await download.value
    assert file.suggested_filename == "out.txt"
    assert (await file.path()).read_text().endswith("published\n")


async def test_a_lost_connection_leaves_no_gap(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "Cut off", *chain(LINKS, 0.4))
    page = await _watched(visitor, run)
    await expect(page.locator('#rows tr[data-place="2"]')).to_contain_text("completed")
    await visitor.context.set_offline(True)
    await page.evaluate("live._htmx.sse.reader?.cancel()")
    await asyncio.sleep(2)
    await visitor.context.set_offline(False)
    assert await ended(http, run) == "completed"
    await _assert_whole(visitor, LINKS)
    visitor.complaints.clear()  # the browser notes each request that found no connection


async def test_a_restarted_service_leaves_no_gap(visitor: Visitor, http: httpx2.AsyncClient, stack: LocalStack) -> None:
    run = await submit(http, "Restarted", *chain(LINKS, 0.4))
    page = await _watched(visitor, run)
    await expect(page.locator('#rows tr[data-place="2"]')).to_contain_text("completed")
    state = read_state(stack.home.root)
    assert state
    os.kill(state.processes["approvals"].pid, signal.SIGKILL)
    await expect(page.locator(f'#rows tr[data-place="{LINKS}"]')).to_contain_text("completed", timeout=60_000)
    await _assert_whole(visitor, LINKS)
    visitor.complaints.clear()


async def test_news_that_come_before_the_scripts_are_not_missed(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "Slow scripts", shell("gate", "true", checkpoint={"when": "before"}))
    await asked(http, run)

    async def late(route: Route) -> None:
        await asyncio.sleep(1)
        await route.continue_()

    await visitor.page.route("**/run.js*", late)
    await visitor.go(f"/runs/{run}")
    await expect(visitor.page.locator("#run")).to_have_attribute("data-live", "yes")
    await http.put(f"/tasks/{run}", json={"action": "cancel"})


async def test_an_answer_that_failed_is_asked_for_again_though_nothing_more_happens(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "Store away", shell("gate", "true", checkpoint={"when": "before"}))
    question = await asked(http, run)
    page = await _watched(visitor, run)
    back = asyncio.Event()

    async def refused(route: Route) -> None:
        await (route.continue_() if back.is_set() else route.fulfill(status=503))

    await page.route(re.compile(r"/ui/runs/[^/]+/(live|panel|tree)"), refused)
    await http.post("/approvals", json={"approvalId": question, "decision": "approve"})
    assert await ended(http, run) == "completed"
    await asyncio.sleep(3)
    back.set()
    await expect(page.locator("#run-head")).to_contain_text("1 of 1 done")
    await expect(page.locator("#panel")).to_contain_text("completed")
    visitor.complaints.clear()  # the browser notes each answer that is an error


async def test_a_storm_of_news_is_few_updates_and_moves_nothing(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    nothing = {"agent": "python", "inputs": {"call": "noop", "args": {}}, "after": ["gate"]}
    tasks = [{"key": f"n{n}", "title": f"Nothing {n}", **nothing} for n in range(2_000)]
    run = await submit(http, "Storm", shell("gate", "true", checkpoint={"when": "before"}), *tasks)
    question = await asked(http, run)
    await visitor.go(f"/runs/{run}?task=90")
    page = visitor.page
    await page.evaluate(NOTE)
    await page.locator('#rows tr[data-place="90"]').scroll_into_view_if_needed()
    before = await page.evaluate("[performance.now(), run.refreshes, scrollY]")
    await http.post("/approvals", json={"approvalId": question, "decision": "approve"})
    await expect(page.locator("#run-head")).to_contain_text("2001 of 2001 done", timeout=60_000)
    now = await page.evaluate("[performance.now(), run.refreshes, scrollY]")
    seconds, refreshes, signals = (now[0] - before[0]) / 1_000, now[1] - before[1], await page.evaluate("told.length")
    print(f"\n2 000 tasks in {seconds:.1f} s while watched: {refreshes} refreshes, {signals} signals")
    assert refreshes <= seconds / 0.5 + 2
    assert signals <= seconds / 0.4 + 3
    await expect(page.locator('#rows tr[data-place="90"]')).to_have_attribute("aria-selected", "true")
    assert abs(now[2] - before[2]) <= 60


async def _watched(visitor: Visitor, run: str) -> Any:
    await visitor.go(f"/runs/{run}")
    await visitor.page.evaluate(NOTE)
    return visitor.page


async def _assert_whole(visitor: Visitor, size: int) -> None:
    """Every row is there once and in its last state, without a reload; every number was told once, in order, and none was left out."""
    page = visitor.page
    for number in range(1, size + 1):
        await expect(page.locator(f'#rows tr[data-place="{number}"]')).to_contain_text("completed")
    await expect(page.locator("#run-head")).to_contain_text(f"{size} of {size} done")
    assert await page.evaluate("window.same") is True
    places = await page.evaluate("[...document.querySelectorAll('#rows tr[data-place]')].map((one) => one.dataset.place)")
    assert places == ["", *(str(number) for number in range(1, size + 1))]
    told = await page.evaluate("told")
    numbers = [number for number, signal in told if signal["tasks"] or signal["all"]]
    assert numbers == sorted(set(numbers))
    named = {place for _, signal in told for place in signal["tasks"]}
    assert any(signal["all"] for _, signal in told) or {str(number) for number in range(3, size + 1)} <= named
    lines = await page.locator("#log-lines li[data-id]").evaluate_all("(all) => all.map((one) => one.dataset.id)")
    assert len(lines) == len(set(lines))

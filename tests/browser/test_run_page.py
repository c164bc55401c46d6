"""The page of a run with a real browser: selection, keyboard, graph, logs, and that it stays small however large the run."""

import asyncio
import re
from http import HTTPStatus
from typing import Any

import httpx2
from playwright.async_api import Dialog, expect

from tests.browser.runs import SECONDS, asked, ended, shell, submit
from tests.browser.visitor import Visitor

EVIL = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"
MOST_NODES = 4_000


def row(visitor: Visitor, place: str) -> Any:
    """The row of a task."""
    return visitor.page.locator(f'#rows tr[data-place="{place}"]')


def nothing(key: str, *after: str, **fields: Any) -> dict[str, Any]:
    """A task that does nothing."""
    return {"key": key, "title": f"Task {key}", "agent": "python", "inputs": {"call": "noop", "args": {}}, "after": list(after), **fields}


def group(key: str, *subtasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A task with tasks below it."""
    return {"key": key, "title": f"Group {key}", "subtasks": list(subtasks), **fields}


async def there(http: httpx2.AsyncClient, task_id: str) -> None:
    """Return once there is such a task."""
    async with asyncio.timeout(SECONDS):
        while (await http.get(f"/tasks/{task_id}")).status_code != HTTPStatus.OK:
            await asyncio.sleep(0.1)


async def test_a_selection_is_in_the_address_and_back_undoes_it(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "To walk in", group("g", nothing("a"), nothing("b", "a")), nothing("c"))
    await ended(http, run)
    await visitor.go(f"/runs/{run}")
    heading = visitor.page.locator("#panel-title")
    await expect(heading).to_have_text("To walk in")
    await row(visitor, "2").get_by_role("link").click()
    await expect(heading).to_have_text("Task c")
    await row(visitor, "1").locator(".twist").click()
    await row(visitor, "1.2").get_by_role("link").click()
    await expect(heading).to_have_text("Task b")
    assert visitor.page.url.endswith(f"/runs/{run}?task=1.2")
    await visitor.page.go_back()
    await expect(heading).to_have_text("Task c")
    await visitor.page.go_forward()
    await expect(heading).to_have_text("Task b")
    await visitor.page.reload()
    await expect(heading).to_have_text("Task b")
    await expect(row(visitor, "1.2")).to_have_attribute("aria-selected", "true")
    await visitor.page.locator("#panel").get_by_role("link", name="Task a").click()
    await expect(heading).to_have_text("Task a")


async def test_all_of_it_can_be_reached_by_keyboard(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "By keys", group("g", nothing("a"), nothing("b")), nothing("c"))
    await ended(http, run)
    await visitor.go(f"/runs/{run}")
    focused = visitor.page.locator("#rows tr:focus")
    await visitor.page.get_by_label("Only tasks that are").focus()
    await visitor.page.keyboard.press("Tab")
    await expect(focused).to_have_attribute("data-place", "")
    await visitor.page.keyboard.press("ArrowDown")
    await visitor.page.keyboard.press("ArrowRight")
    await expect(row(visitor, "1")).to_have_attribute("aria-expanded", "true")
    await visitor.page.keyboard.press("ArrowRight")
    await expect(focused).to_have_attribute("data-place", "1.1")
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.locator("#panel-title")).to_have_text("Task a")
    await visitor.page.keyboard.press("ArrowLeft")
    await visitor.page.keyboard.press("ArrowLeft")
    await expect(row(visitor, "1.1")).to_have_count(0)
    await visitor.page.keyboard.press("End")
    await expect(focused).to_have_attribute("data-place", "2")


async def test_the_graph_is_drawn_and_says_what_is_too_large(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    many = group("many", *(nothing(f"m{n}") for n in range(310)))
    run = await submit(http, "To draw", nothing("a"), nothing("b", "a"), many)
    await ended(http, run)
    await visitor.go(f"/runs/{run}")
    await visitor.page.get_by_role("tab", name="Graph").click()
    await expect(visitor.page.locator("#graph")).to_have_attribute("data-drawn", "3")
    assert await visitor.page.locator("#graph canvas").count() > 0
    assert visitor.page.url.endswith("?show=graph")
    await visitor.page.locator("#panel").evaluate("() => run.select('3.1')")
    await expect(visitor.page.locator("#graph-note")).to_contain_text("has 310 tasks")
    await visitor.page.get_by_role("button", name="Show the list").click()
    await expect(visitor.page.locator("#pane-tree")).to_be_visible()


async def test_logs_are_of_the_selection_and_can_be_searched(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "To read", shell("a", "for i in $(seq 1 350); do echo from-a $i; done"), shell("b", "echo from-b"))
    await ended(http, run)
    await visitor.go(f"/runs/{run}?task=1")
    lines = visitor.page.locator("#log-lines")
    await expect(lines).to_contain_text("from-a 350")
    await expect(lines).not_to_contain_text("from-b")
    await expect(lines.locator("li[data-id]")).to_have_count(200)
    await lines.get_by_role("button", name="Show earlier lines").click()
    await expect(lines).to_contain_text(re.compile(r"from-a 1\b"))
    await visitor.page.get_by_label("Only lines with").fill("FROM-A 77")
    await expect(lines.locator("li[data-id]")).to_have_count(1)
    await visitor.page.get_by_label("Only lines with").fill("")
    await visitor.page.get_by_label("Lowest level").select_option("error")
    await expect(lines).to_contain_text("No lines yet")


async def test_a_task_is_run_again_from_here_after_it_was_said_what_that_means(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "To do again", nothing("a"), nothing("b", "a"), nothing("c"))
    await ended(http, run)
    await visitor.go(f"/runs/{run}?task=1")
    asked_for: list[str] = []

    async def answer(dialog: Dialog) -> None:
        asked_for.append(dialog.message)
        await (dialog.accept() if len(asked_for) > 1 else dialog.dismiss())

    visitor.page.on("dialog", answer)
    button = visitor.page.locator("#panel").get_by_role("button", name="Run again from here")
    await button.click()
    await expect(button).to_be_enabled()
    assert len(await _attempts(http, run)) == 1
    before = (await http.get(f"/tasks/{run}.1")).json()["version"]
    await button.click()
    async with asyncio.timeout(SECONDS):
        while (await http.get(f"/tasks/{run}.1")).json()["version"] == before:
            await asyncio.sleep(0.1)
    await ended(http, run)
    assert asked_for == ["Do “Task a” again, and with it 1 task that comes after it or below it? Kept as it is: 1 task."] * 2
    assert len(await _attempts(http, run)) == 2


async def _attempts(http: httpx2.AsyncClient, run: str) -> list[Any]:
    """At the first task."""
    attempts = (await http.get(f"/tasks/{run}/export")).json()["slices"]["attempts"]
    return [one for one in attempts if one["task_id"] == f"{run}.1"]


async def test_orders_are_given_here(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "To steer", shell("a", "true", checkpoint={"when": "before"}))
    await asked(http, run)
    await visitor.go(f"/runs/{run}")
    panel = visitor.page.locator("#panel")
    await panel.get_by_role("button", name="Pause").click()
    await expect(panel.get_by_role("button", name="Resume")).to_be_visible()
    await expect(visitor.page.locator("#run-head")).to_contain_text("paused")
    visitor.page.on("dialog", Dialog.accept)
    await panel.get_by_role("button", name="Cancel").click()
    await expect(visitor.page.locator("#run-head")).to_contain_text("cancelled")
    await expect(panel.get_by_role("button", name="Retry")).to_be_visible()


async def test_script_is_text_everywhere(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    script = f'echo "{EVIL}"; echo "{EVIL}" > "$(printf \'<img src=x onerror=alert(1)>.html\')"'
    run = await submit(http, EVIL, shell("a", script, title=EVIL, description=EVIL))
    await ended(http, run)
    for path in (f"/runs/{run}?task=1", f"/runs/{run}/plan", f"/submit?from={run}"):
        await visitor.go(path)
        await expect(visitor.page.locator("main")).to_contain_text("<script>" if "submit" not in path else "run")
        assert await visitor.page.locator("img[src=x]").count() == 0
        assert await visitor.page.title() != "taken"
    await visitor.go(f"/runs/{run}?task=1")
    await expect(visitor.page.locator("#log-lines")).to_contain_text("<script>")
    async with visitor.page.expect_download() as download:
        await visitor.page.locator("#panel .files a").click()
    assert (await download.value).suggested_filename.endswith(".html")


async def test_a_large_run_is_a_small_page(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "Large", group("wide", *(nothing(f"w{n}") for n in range(1_900))), *(nothing(f"t{n}") for n in range(100)))
    await there(http, f"{run}.1.1000")
    await visitor.go(f"/runs/{run}?task=1.1000")
    await expect(row(visitor, "1.1000")).to_have_attribute("aria-selected", "true")
    assert await ended(http, run) == "completed"
    await expect(visitor.page.locator("#run-head")).to_contain_text("2001 of 2001 done")
    nodes = await visitor.page.evaluate("document.querySelectorAll('*').length")
    print(f"\na run of 2 001 tasks, one far down selected: {nodes} DOM nodes, {await visitor.page.evaluate('run.refreshes')} refreshes")
    assert nodes < MOST_NODES
    places = "[...document.querySelectorAll('#rows tr[data-place]')].map((one) => one.dataset.place)"
    shown = len(await visitor.page.evaluate(places))
    await visitor.page.get_by_role("button", name=re.compile("more of")).first.click()
    await expect(visitor.page.locator("#rows tr[data-place]")).to_have_count(shown + 100)
    after = await visitor.page.evaluate(places)
    assert len(set(after)) == len(after)
    await visitor.page.get_by_label("Find tasks by title").fill("task w777")
    await expect(visitor.page.locator("#found tr[data-place]")).to_have_count(1)
    await visitor.page.locator("#found").get_by_role("link").click()
    await expect(visitor.page.locator("#panel-title")).to_have_text("Task w777")
    await visitor.assert_accessible()


async def test_what_is_selected_is_shown_once_the_group_around_it_lists_it(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "To be listed", group("g", nothing("a")))
    assert await ended(http, run) == "completed"
    await visitor.go(f"/runs/{run}?task=1.1")
    await row(visitor, "1").evaluate(
        """(row) => {
            row.nextElementSibling.remove();
            row.removeAttribute("aria-expanded");
            row.dataset.grown = "0";
            run.changed([], true);
        }"""
    )
    await expect(row(visitor, "1.1")).to_have_attribute("aria-selected", "true")


async def test_a_plan_that_grows_closes_nothing_and_leaves_the_focus(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run = await submit(http, "Grows", group("g", nothing("a")), group("h", nothing("b")))
    assert await ended(http, run) == "completed"
    await visitor.go(f"/runs/{run}?task=1.1")
    await row(visitor, "2").focus()
    await visitor.page.keyboard.press("ArrowRight")
    await expect(row(visitor, "2.1")).to_be_visible()
    await visitor.page.keyboard.press("ArrowDown")
    await expect(row(visitor, "2.1")).to_be_focused()
    await row(visitor, "1").evaluate("(row) => { row.dataset.old = 'yes'; }")
    await row(visitor, "").evaluate("(root) => { root.dataset.grown = '0'; run.changed([], true); }")
    await expect(row(visitor, "1")).not_to_have_attribute("data-old", "yes")
    await expect(row(visitor, "2.1")).to_be_focused()
    await expect(row(visitor, "1.1")).to_have_attribute("aria-selected", "true")


async def test_it_can_be_used_by_all_and_fits_a_telephone(visitor: Visitor, phone: Visitor, http: httpx2.AsyncClient) -> None:
    bad = shell("b", "echo " + "x" * 300 + "; exit 3", title="A title so long that it must be broken " * 4, retries=0)
    run = await submit(http, "For all", group("g", shell("a", "true", checkpoint={"when": "before"}), bad))
    await asked(http, run)
    for one in (visitor, phone):
        for path in (f"/runs/{run}?task=1.2", f"/runs/{run}?task=1.2&show=graph"):
            await one.go(path)
            await expect(one.page.locator("#panel-title")).to_contain_text("A title so long")
            await expect(one.page.locator("#log-lines")).to_contain_text("xxx")
            await one.assert_fits()
            await one.assert_accessible()
    await http.put(f"/tasks/{run}", json={"action": "cancel"})


async def test_texts_longer_than_their_box_are_reached_and_read_by_keyboard(
    visitor: Visitor, phone: Visitor, http: httpx2.AsyncClient
) -> None:
    script = "for line in $(seq 1 60); do echo line $line; done\n" + "# more of it\n" * 80 + "exit 3"
    run = await submit(http, "Long texts", shell("a", script, description="What to do.\n" * 80, retries=0, onFailure="fail"), nothing("b"))
    assert await ended(http, run) == "failed"
    for one in (visitor, phone):
        await one.go(f"/runs/{run}?task=1")
        await expect(one.page.locator("#panel-title")).to_have_text("Task a")
        await one.assert_accessible()
    given = visitor.page.locator("#d-input-1 pre")
    await visitor.page.locator("#d-input-1 summary").focus()
    await visitor.page.keyboard.press("Tab")
    await expect(given).to_be_focused()
    await visitor.page.keyboard.press("End")
    async with asyncio.timeout(SECONDS):
        while await given.evaluate("(one) => one.scrollTop") < 100:
            await asyncio.sleep(0.05)
    panel = visitor.page.locator("#panel")
    await panel.evaluate("(panel) => { panel.dataset.was = ''; run.changed([], true); }")
    await expect(panel).not_to_have_attribute("data-was", "")
    await expect(given).to_be_focused()
    assert await given.evaluate("(one) => one.scrollTop") >= 100, "what is renewed stays where it was read"
    for focused in (visitor.page.locator("#d-input-1 summary"), visitor.page.locator("#panel-title")):
        await focused.focus()
        await panel.evaluate("(panel) => { panel.dataset.was = ''; run.changed([], true); }")
        await expect(panel).not_to_have_attribute("data-was", "")
        await expect(focused).to_be_focused()

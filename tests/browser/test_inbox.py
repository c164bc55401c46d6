"""Decisions with a real browser."""

from urllib.parse import unquote

import httpx2
from playwright.async_api import expect

from tests.browser.conftest import Person
from tests.browser.runs import asked, ended, shell, submit
from tests.browser.visitor import Visitor

BEFORE = {"when": "before"}


async def test_what_is_approved_goes_on(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "To approve", shell("a", "true", checkpoint=BEFORE))
    await visitor.go(f"/inbox/{await asked(http, run_id)}")
    await visitor.page.get_by_label("Comment").fill("looks right")
    await visitor.page.get_by_role("button", name="Approve").click()
    await expect(visitor.page.get_by_role("status").filter(has_text="You have approved")).to_be_visible()
    assert await ended(http, run_id) == "completed"
    (approval,) = (await http.get("/approvals", params={"run": run_id, "state": "all"})).json()["items"]
    assert [(one["by"], one["decision"], one["comment"]) for one in approval["decisions"]] == [("local", "approve", "looks right")]


async def test_what_is_rejected_fails_with_the_comment(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "To reject", shell("a", "true", checkpoint=BEFORE))
    await visitor.go(f"/inbox/{await asked(http, run_id)}")
    await visitor.page.get_by_label("Comment").fill("not on a Friday")
    await visitor.page.get_by_role("button", name="Reject").click()
    await expect(visitor.page.get_by_role("status").filter(has_text="You have rejected")).to_be_visible()
    assert await ended(http, run_id) == "failed"


async def test_a_result_and_its_evidence_are_there_to_decide_on(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    script = "echo 214 files; echo hello > out.txt"
    task = shell("a", script, checkpoint={"when": "after"}, checks=[{"kind": "file", "path": "out.txt"}])
    run_id = await submit(http, "To look at", task)
    await visitor.go(f"/inbox/{await asked(http, run_id)}")
    context = visitor.page.get_by_label("What is known")
    await expect(context).to_contain_text("214 files")
    await expect(context).to_contain_text("passed")
    async with visitor.page.expect_download() as download:
        await context.get_by_role("link", name="out.txt").click()
    assert (await (await download.value).path()).read_text() == "hello\n"
    await visitor.assert_accessible()
    await visitor.page.get_by_role("button", name="Approve").click()
    assert await ended(http, run_id) == "completed"


async def test_help_is_given_by_taking_over(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "To take over", shell("a", "echo broken >&2; exit 3", retries=0))
    await visitor.go(f"/inbox/{await asked(http, run_id)}")
    await expect(visitor.page.get_by_role("button", name="Try again")).to_be_visible()
    await visitor.page.get_by_text("Take over: do it yourself").click()
    await visitor.page.get_by_label("Result").fill("done by hand")
    await visitor.page.get_by_label("Data").fill("{not json")
    await visitor.page.get_by_role("button", name="Take over").click()
    await expect(visitor.page.get_by_role("alert")).to_contain_text("is no JSON")
    await expect(visitor.page.get_by_label("Result")).to_have_value("done by hand")
    await visitor.page.get_by_label("Data").fill('{"version": 7}')
    await visitor.page.get_by_role("button", name="Take over").click()
    await expect(visitor.page.get_by_role("status").filter(has_text="You have taken over")).to_be_visible()
    assert await ended(http, run_id) == "completed"
    assert (await http.get(f"/tasks/{run_id}.1")).json()["result"]["data"] == {"version": 7}
    visitor.complaints.clear()  # the browser notes each answer that is no success: the form's 422 was one


async def test_a_second_approver_is_told_who_was_faster(
    visitor: Visitor, second: Visitor, http: httpx2.AsyncClient, person: Person
) -> None:
    run_id = await submit(http, "To race for", shell("a", "true", checkpoint=BEFORE))
    question = await asked(http, run_id)
    await second.enter(await person("pat", "approver"))
    await visitor.go(f"/inbox/{question}")
    await second.go(f"/inbox/{question}")
    await second.page.get_by_role("button", name="Approve").click()
    await expect(second.page.get_by_role("status").filter(has_text="You have approved")).to_be_visible()
    await visitor.page.get_by_label("Comment").fill("no, not yet")
    await visitor.page.get_by_role("button", name="Reject").click()
    reason = visitor.page.get_by_role("alert")
    await expect(reason).to_contain_text("somebody was faster")
    await expect(reason).to_be_focused()
    await expect(visitor.page.locator("pre", has_text="no, not yet")).to_be_visible()
    await visitor.assert_accessible()
    await expect(visitor.page.get_by_role("status").filter(has_text="approved by pat")).to_be_visible()
    visitor.complaints.clear()  # the 409
    assert await ended(http, run_id) == "completed"


async def test_a_decision_that_did_not_arrive_is_there_to_be_sent_again(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    page = visitor.page
    run_id = await submit(http, "Away", shell("a", "true", checkpoint=BEFORE))
    await visitor.go(f"/inbox/{await asked(http, run_id)}")
    await page.get_by_label("Comment").fill("a long reason")
    await page.route("**/inbox/*", lambda route: route.fulfill(status=503))
    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#notice")).to_contain_text("if it was taken, you are told so")
    await expect(page.get_by_label("Comment")).to_have_value("a long reason")
    await visitor.assert_accessible()
    await page.unroute("**/inbox/*")
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_role("status").filter(has_text="You have approved")).to_be_visible()
    assert await ended(http, run_id) == "completed"
    visitor.complaints.clear()  # the browser notes the 503


async def test_who_may_not_decide_may_look(second: Visitor, http: httpx2.AsyncClient, person: Person) -> None:
    run_id = await submit(http, "Not for all", shell("a", "true", checkpoint={**BEFORE, "approvers": ["release"]}))
    question = await asked(http, run_id)
    await second.enter(await person("vic", "viewer"))
    await second.go(f"/inbox/{question}")
    await expect(second.page.get_by_text("you can look, not answer")).to_be_visible()
    await expect(second.page.get_by_role("button", name="Approve")).to_have_count(0)
    await http.put(f"/tasks/{run_id}", json={"action": "cancel"})


async def test_the_list_renews_itself_where_nobody_decides(second: Visitor, http: httpx2.AsyncClient, person: Person) -> None:
    await second.enter(await person("quinn", "approver", groups=("later",)))
    run_id = await submit(http, "Comes later", shell("a", "sleep 5"), shell("b", "true", "a", title="Late one", checkpoint=BEFORE))
    await second.go(f"/inbox?run={run_id}")
    await expect(second.page.get_by_text("Nobody was asked anything here.")).to_be_visible()
    await expect(second.page.get_by_text("May 'Late one' start?").first).to_be_visible()
    await http.put(f"/tasks/{run_id}", json={"action": "cancel"})


async def test_a_question_is_not_exchanged_under_the_hand_that_answers_it(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    page = visitor.page
    run_id = await submit(http, "Under the hand", *(shell(key, "true", checkpoint=BEFORE) for key in ("a", "b")))
    await asked(http, run_id)
    await visitor.go(f"/inbox?run={run_id}")
    await page.evaluate("window.same = true")
    action = await page.locator("form.decide").get_attribute("action")
    shown = str(action).removeprefix("/inbox/")
    await http.post("/approvals", json={"approvalId": unquote(shown), "decision": "approve"})
    await expect(page.get_by_text("The list has changed meanwhile.")).to_be_visible()
    assert await page.evaluate("window.same") is True
    assert await page.locator("form.decide").get_attribute("action") == action
    await page.get_by_role("link", name="Show it as it is now").click()
    await expect(page.locator("form.decide")).not_to_have_attribute("action", str(action))
    await http.put(f"/tasks/{run_id}", json={"action": "cancel"})


async def test_who_only_looks_keeps_the_focus(second: Visitor, http: httpx2.AsyncClient, person: Person) -> None:
    run_id = await submit(http, "Looked at", *(shell(key, "true", checkpoint=BEFORE) for key in ("a", "b")))
    question = await asked(http, run_id)
    await second.enter(await person("vic", "viewer"))
    await second.go(f"/inbox?run={run_id}")
    link = second.page.get_by_label("Questions").get_by_role("link").last
    await link.focus()
    await http.post("/approvals", json={"approvalId": question, "decision": "approve"})
    await expect(second.page.get_by_text("The list has changed meanwhile.")).to_be_visible()
    await expect(link).to_be_focused()
    await http.put(f"/tasks/{run_id}", json={"action": "cancel"})


async def test_the_keyboard_is_enough(visitor: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "By keys", shell("a", "true", checkpoint=BEFORE))
    await visitor.go(f"/inbox/{await asked(http, run_id)}")
    await visitor.page.keyboard.press("Tab")
    await expect(visitor.page.get_by_role("link", name="Skip to content")).to_be_focused()
    await visitor.page.get_by_label("Comment").focus()
    await visitor.page.keyboard.press("Tab")
    await expect(visitor.page.get_by_role("button", name="Approve")).to_be_focused()
    await visitor.page.keyboard.press("Enter")
    assert await ended(http, run_id) == "completed"


async def test_it_fits_a_telephone(phone: Visitor, http: httpx2.AsyncClient) -> None:
    run_id = await submit(http, "On the way", shell("a", "echo " + "x" * 300, checkpoint={"when": "after"}))
    question = await asked(http, run_id)
    await phone.go("/inbox")
    await phone.assert_fits()
    await phone.assert_accessible()
    await phone.page.locator(f"[id='{question}'] a").click()
    await expect(phone.page.get_by_role("link", name="← All questions")).to_be_visible()
    await phone.assert_fits()
    await phone.assert_accessible()
    await phone.page.get_by_role("button", name="Approve").click()
    assert await ended(http, run_id) == "completed"

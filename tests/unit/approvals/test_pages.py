"""What all pages have in common: who may see them, what a browser may load, errors, and text that is not ours."""

import json
import re
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from services.approvals.web.assets import Assets
from services.approvals.web.pages import is_open, is_page
from tests.unit.approvals.browsing import log_in, stranger
from tests.unit.approvals.desk import Desk, attempt, task, verdict

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"' {{ 7 * 7 }}"
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
RUN = "0198f0c2aaaa7bbb8cccdddddddddddd"


def question(approval_id: str, **fields: Any) -> dict[str, Any]:
    """A question as it is stored."""
    return {
        "_id": approval_id, "run_id": RUN, "task_id": f"{RUN}.1", "kind": "checkpoint", "title": "Publish", "question": "May it start?",
        "choices": ["approve", "reject"], "approvers": [], "required": 1, "digest": "d", "context": {}, "state": "pending", "decisions": [],
        "votes": 0, **fields,
    }  # fmt: skip


async def fill(desk: Desk, **fields: Any) -> str:
    """A run with one task that waits for an answer; the id of the question."""
    now, approval_id = desk.ground.clock.now(), f"{RUN}.1:before:1"
    root = task(RUN, phase="expanded", title=fields.get("title", "Release"), created_at=now)
    waits = task(
        f"{RUN}.1", phase="awaiting_approval", approval_id=approval_id, description=fields.get("description", "do it"), created_at=now
    )
    waits["title"] = fields.get("title", "Publish")
    await desk.put("tasks", root, waits)
    await desk.put("approvals", question(approval_id, requested_at=now, question=fields.get("question", "May it start?")))
    return approval_id


class TestAccess:
    async def test_every_page_needs_a_session(self, desk: Desk) -> None:
        paths = {route.path for route in iter_route_contexts(desk.app.routes) if is_page(str(route.path)) and not is_open(str(route.path))}
        assert {"/", "/inbox", "/inbox/{approval_id:path}", "/ui/waiting", "/ui/runs", "/ui/inbox", "/logout"} <= paths
        for path in paths:
            answer = await stranger(desk).get(re.sub(r"\{[^}]*\}", "x", str(path)))
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login"), path

    async def test_every_role_may_look(self, desk: Desk) -> None:
        approval_id = await fill(desk)
        for name in ("ada", "sue", "pat", "vic"):
            tab = await log_in(desk, name)
            for path in ("/", "/inbox", f"/inbox/{approval_id}", "/ui/runs", "/ui/waiting"):
                assert (await tab.get(path)).status_code == 200, (name, path)

    async def test_only_approvers_get_buttons_and_are_heard(self, desk: Desk) -> None:
        approval_id = await fill(desk)
        for name, may in (("ada", True), ("pat", True), ("sue", False), ("vic", False)):
            tab = await log_in(desk, name)
            assert ('value="approve"' in (await tab.get(f"/inbox/{approval_id}")).text) == may
            if not may:
                answer = await tab.send(f"/inbox/{approval_id}", decision="approve")
                assert (answer.status_code, "approver" in answer.text) == (403, True)
        assert (await desk.docs("approvals"))[0]["decisions"] == []


class TestSafety:
    async def test_pages_say_what_a_browser_may_load(self, desk: Desk) -> None:
        await fill(desk)
        tab = await log_in(desk, "pat")
        for answer in (await tab.get("/"), await tab.get("/inbox"), await tab.get("/inbox/none"), await stranger(desk).get("/login")):
            policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
            assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
            assert {policy[f"{what}-src"] for what in ("script", "style", "img", "connect", "font")} == {"'self'"}
            assert policy["form-action"] == "'self'"
            assert "unsafe" not in str(policy)
            assert (answer.headers["x-content-type-options"], answer.headers["referrer-policy"]) == ("nosniff", "same-origin")
            assert answer.headers["cache-control"] == "no-store"
            assert not INLINE.search(answer.text)

    async def test_text_that_is_not_ours_is_text(self, desk: Desk) -> None:
        approval_id = await fill(desk, title=HOSTILE, question=HOSTILE, description=HOSTILE)
        now = desk.ground.clock.now()
        await desk.put(
            "attempts", attempt(f"{RUN}.1", claimed_at=now, result={"summary": HOSTILE, "artifacts": [], "data": {HOSTILE: HOSTILE}})
        )
        await desk.put(
            "verdicts", verdict(f"{RUN}.1", evidence=[{"check": HOSTILE, "passed": False, "detail": HOSTILE, "output": HOSTILE}])
        )
        tab = await log_in(desk, "pat")
        for path in (
            "/",
            f"/?q={HOSTILE}",
            "/inbox",
            f"/inbox?run={HOSTILE}",
            f"/inbox/{approval_id}",
            f"/inbox/{HOSTILE}",
            f"/login?next={HOSTILE}",
        ):
            text = (await tab.get(path)).text
            assert "<script>alert" not in text, path
            assert "<img src=x" not in text, path
            assert " 49" not in text, path
        refused = await tab.send(f"/inbox/{approval_id}", decision="take_over", comment=HOSTILE, summary=HOSTILE, data=HOSTILE)
        assert "<script>alert" not in refused.text

    async def test_errors_are_pages_or_notes_and_tell_no_secrets(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        whole = await tab.get("/inbox/none")
        assert (whole.status_code, "there is no approval" in whole.text, "<nav" in whole.text) == (404, True, True)
        part = await tab.get("/ui/nothing", **{"HX-Request": "true"})
        assert (part.status_code, part.headers["hx-retarget"], "<html" in part.text) == (404, "#notice", False)
        await desk.put("tasks", {"_id": "broken", "run_id": "broken", "parent_id": None})
        broken = await tab.get("/")
        assert broken.status_code == 500
        assert "KeyError" not in broken.text
        assert "Traceback" not in broken.text

    async def test_too_large_a_form_is_told_as_a_page(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        answer = await tab.send("/inbox/x", comment="x" * (desk.deps.settings.body_bytes + 1))
        assert (answer.status_code, "<nav" in answer.text) == (413, True)


class TestAssets:
    async def test_what_has_a_hash_is_kept_for_ever(self, desk: Desk) -> None:
        tab = stranger(desk)
        url = Assets().url("style.css")
        answer = await tab.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
        assert "immutable" in answer.headers["cache-control"]
        old = await tab.get("/static/style.css?v=0")
        assert old.headers["cache-control"] == "no-cache"
        assert (await tab.get("/static/style.css", **{"If-None-Match": old.headers["etag"]})).status_code == 304

    @pytest.mark.parametrize("name", ["none.css", "../pages.py", "%2e%2e/pages.py", "vendor/../../pages.py", ""])
    async def test_nothing_else_is_served(self, desk: Desk, name: str) -> None:
        answer = await stranger(desk).get(f"/static/{name}")
        assert answer.status_code in (303, 404, 401)
        assert "import" not in answer.text

    async def test_the_icon_is_where_browsers_look(self, desk: Desk) -> None:
        answer = await stranger(desk).get("/favicon.ico")
        assert (answer.status_code, answer.headers["location"]) == (308, Assets().url("favicon.svg"))

    async def test_pages_are_not_in_the_api(self, desk: Desk) -> None:
        paths = json.loads((await stranger(desk).get("/openapi.json")).text)["paths"]
        assert [path for path in paths if is_page(path) or path.startswith("/static")] == []
        assert "/links" in paths

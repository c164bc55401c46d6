"""GET /logs and GET /artifacts, and that looking works or says that it cannot."""

from datetime import timedelta
from typing import Any

import httpx2

from services.approvals.api.logs import LATE
from shared.ids import new_id
from taskgrove.cli.logs import lines as follow
from taskgrove.client import Client
from tests.unit.approvals.desk import Desk


async def lines(desk: Desk, **params: Any) -> list[str]:
    """The events of the lines that are found."""
    answer = await desk.as_("vic").get("/logs", params=params)
    assert answer.status_code == 200, answer.text
    return [line["event"] for line in answer.json()["items"]]


class TestLogs:
    async def test_are_found_by_run_task_level_and_text(self, desk: Desk) -> None:
        run, old = new_id(), desk.ground.clock.now() - timedelta(seconds=60)
        usual = {"ts": old, "service": "executor", "run_id": run, "attempt": None, "trace_id": run}
        for event, level, below in (("one", "info", ".1"), ("two", "warning", ".1.2"), ("three", "error", ".10"), ("four", "debug", "")):
            message = f"{event} said hello"
            await desk.put(
                "logs", {"_id": new_id(), **usual, "level": level, "task_id": f"{run}{below}", "event": event, "message": message}
            )
        assert await lines(desk, run=run) == ["one", "two", "three", "four"]
        assert await lines(desk, task=f"{run}.1") == ["one", "two"]
        assert await lines(desk, run=run, level="warning") == ["two", "three"]
        assert await lines(desk, run=run, grep="^t(wo|hree) ") == ["two", "three"]
        assert await lines(desk, run=run, text="three") == ["three"]
        assert await lines(desk, run=new_id()) == []
        assert (await desk.as_("vic").get("/logs", params={"grep": "("})).status_code == 422
        assert (await desk.as_("vic").get("/logs", params={"level": "loud"})).status_code == 422
        first = (await desk.as_("vic").get("/logs", params={"run": run, "limit": 2})).json()
        assert await lines(desk, run=run, after=first["nextCursor"]) == ["three", "four"]

    async def test_following_holds_back_what_may_be_overtaken(self, desk: Desk) -> None:
        run, now = new_id(), desk.ground.clock.now()
        usual = {"service": "executor", "run_id": run, "task_id": run, "level": "info", "message": "m", "attempt": None, "trace_id": run}
        await desk.put("logs", {"_id": new_id(), **usual, "ts": now, "event": "new"})
        assert await lines(desk, run=run) == ["new"]
        assert await lines(desk, run=run, after="0") == []

    async def test_followers_miss_no_line_that_is_written_after_a_younger_one(self, desk: Desk) -> None:
        run, now = new_id(), desk.ground.clock.now()
        usual = {"service": "executor", "run_id": run, "task_id": run, "level": "info", "message": "m", "attempt": None, "trace_id": run}
        settled, waiting, young = ({"_id": new_id(), **usual, "ts": now, "event": name} for name in ("settled", "waiting", "young"))
        await desk.put("logs", {**settled, "ts": now - 2 * LATE}, young)
        first = (await desk.as_("vic").get("/logs", params={"run": run})).json()
        assert ([line["event"] for line in first["items"]], first["nextCursor"]) == (["settled", "young"], settled["_id"])
        seen: list[str] = []
        async with Client("http://approvals", key=desk.keys["vic"], transport=httpx2.ASGITransport(app=desk.app)) as client:
            async for line in follow(client, {"run": run}, follow=True):
                seen.append(line.event)
                if line.event == "young":
                    await desk.put("logs", waiting, {"_id": new_id(), **usual, "ts": now, "event": "last"})
                if line.event == "last":
                    break
        assert seen == ["settled", "young", "waiting", "last"]

    async def test_a_page_of_young_lines_is_followed_from_the_beginning(self, desk: Desk) -> None:
        run = new_id()
        usual = {"service": "executor", "run_id": run, "task_id": run, "level": "info", "message": "m", "attempt": None, "trace_id": run}
        await desk.put("logs", {"_id": new_id(), **usual, "ts": desk.ground.clock.now(), "event": "young"})
        assert (await desk.as_("vic").get("/logs", params={"run": run})).json()["nextCursor"] == "0"
        assert (await desk.as_("vic").get("/logs", params={"run": new_id()})).json()["nextCursor"] is None


class TestArtifacts:
    async def test_are_downloads(self, desk: Desk) -> None:
        kept = await desk.deps.artifacts.put_bytes(b"<script>alert(1)</script>", name="a.html")
        answer = await desk.as_("vic").get(kept.uri)
        assert answer.content == b"<script>alert(1)</script>"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        for name in ("0" * 64, "nothing"):
            assert (await desk.as_("vic").get(f"/artifacts/{name}")).status_code == 404

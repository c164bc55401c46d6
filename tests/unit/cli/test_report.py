"""What a run came to: the exit status, why tasks failed, and where the results go."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.checker.domain import claimed
from shared.contracts.phases import Phase
from shared.contracts.views import TaskView
from taskgrove.cli.look import WHOLE, Look
from taskgrove.cli.report import Report, report_document, report_on, show_report, why
from taskgrove.cli.screen import Screen
from taskgrove.client import Client
from tests.unit.cli.views import RUN, approval, seen, task

SHA = "ab" * 32
SEEN = ({"check": "file a", "passed": True, "detail": "there"},)
JOINED = ({"check": "children", "passed": True, "detail": "2 of 2 children done"},)
CLAIM = (claimed().wire(),)


def client() -> Client:
    return Client(
        "http://grove.test", transport=httpx2.MockTransport(lambda request: httpx2.Response(200, text=f"content of {request.url.path}"))
    )


def with_file(path: str, name: str, **fields: Any) -> TaskView:
    artifact = {"name": name, "uri": f"/artifacts/{SHA}", "sha256": SHA, "bytes": 9}
    return task(path, result={"artifacts": [artifact]}, **fields)


@pytest.mark.parametrize(
    ("look", "status"),
    [
        (seen(task("1"), root=Phase.COMPLETED), 0),
        (seen(task("1", Phase.SKIPPED), root=Phase.COMPLETED), 0),
        (seen(task("1", Phase.FAILED), root=Phase.COMPLETED), 1),
        (seen(task("1"), root=Phase.FAILED), 1),
        (seen(task("1", Phase.CANCELLED), root=Phase.CANCELLED), 1),
        (seen(task("1", Phase.AWAITING_APPROVAL), approvals=(approval(),)), 3),
    ],
)
def test_the_exit_status_is_0_completed_1_failed_3_waiting(look: Look, status: int) -> None:
    assert Report(look, ()).exit_status == status


def test_why_is_the_end_of_what_the_checks_saw_else_the_error() -> None:
    evidence = [
        {"check": "file a", "passed": True, "detail": "there"},
        {"check": "command", "passed": False, "detail": "exit status 1", "output": "\n".join(map(str, range(20)))},
    ]
    failed = task("1", Phase.FAILED, error={"code": "check", "message": "a check failed"}, evidence=evidence)
    assert why(failed) == ["command: exit status 1", *[f"| {number}" for number in range(14, 20)]]
    assert why(task("3", Phase.FAILED, error={"code": "lost", "message": "its executor stopped"})) == ["its executor stopped"]
    assert why(task("2", Phase.FAILED)) == ["it does not say why"]


async def test_results_are_those_of_the_run_else_of_its_integration_steps() -> None:
    step, other = with_file("2", "all.txt", kind="integration"), with_file("1", "part.txt")
    async with client() as there:
        report = await report_on(there, seen(other, step, root=Phase.COMPLETED), hint="")
        assert [one.artifact.name for one in report.kept] == ["all.txt"]
        top = seen(other, step, root=Phase.COMPLETED, result=with_file("", "top.txt").result)
        assert [one.artifact.name for one in (await report_on(there, top, hint="")).kept] == ["top.txt"]


@pytest.mark.parametrize("name", ["dist/app.txt", "/etc/passwd", "../../up.txt", ".."])
async def test_results_are_copied_below_the_directory_and_nowhere_else(tmp_path: Path, name: str) -> None:
    async with client() as there:
        report = await report_on(there, seen(with_file("1", name, kind="integration"), root=Phase.COMPLETED), hint="", out=tmp_path / "out")
    saved = report.kept[0].saved
    assert saved is not None
    assert saved.resolve().is_relative_to(tmp_path / "out")
    assert saved.read_text() == f"content of /artifacts/{SHA}"


def test_a_report_for_programs_says_how_to_go_on() -> None:
    look = seen(task("1"), task("2", Phase.AWAITING_APPROVAL), approvals=(approval(),))
    document = report_document(Report(look, (), hint=" --data d", waits=look.approvals))
    assert (document["runId"], document["exitStatus"], document["tasks"]) == (RUN, 3, 2)
    assert document["counts"] == {"completed": 1, "awaiting_approval": 1}
    assert document["next"] == ["taskgrove approve a47254d0.2:before:0 --data d"]


def test_what_is_paused_says_how_to_go_on_once() -> None:
    look = seen(task("1", Phase.BLOCKED, paused=True), root=Phase.EXPANDED, paused=True)
    assert report_document(Report(look, ()))["next"] == ["taskgrove resume a47254d0"]


def shown(report: Report, capsys: pytest.CaptureFixture[str]) -> str:
    show_report(Screen(as_json=False), report)
    return capsys.readouterr().out


def test_what_is_done_without_a_check_is_not_called_verified(capsys: pytest.CaptureFixture[str]) -> None:
    group, checked, claim = task("1", kind="group", evidence=JOINED), task("1.1", evidence=SEEN), task("1.2", evidence=CLAIM)
    other, inner = task("2", kind="group", evidence=JOINED), task("2.1", evidence=SEEN)
    report = Report(seen(group, checked, claim, other, inner, root=Phase.COMPLETED), ())
    assert "Release: completed — 3 of 5 tasks verified, 2 done without a check, 10 s" in shown(report, capsys)
    document = report_document(report)
    assert (document["verified"], document["unchecked"], document["exitStatus"]) == (3, [f"{RUN}.1", f"{RUN}.1.2"], 0)


def test_a_check_of_a_group_speaks_for_it_whatever_is_below() -> None:
    group = task("1", kind="group", checks=[{"kind": "file", "path": "a"}], evidence=(*SEEN, *JOINED))
    assert report_document(Report(seen(group, task("1.1", evidence=CLAIM), root=Phase.COMPLETED), ()))["unchecked"] == [f"{RUN}.1.1"]


def test_where_all_have_checks_nothing_is_said_of_those_without(capsys: pytest.CaptureFixture[str]) -> None:
    failed = task("2", Phase.FAILED, evidence=({**SEEN[0], "passed": False},))
    assert "1 of 2 tasks verified, 1 failed, 10 s" in shown(Report(seen(task("1", evidence=SEEN), failed, root=Phase.FAILED), ()), capsys)


def test_a_run_that_is_too_large_to_be_read_is_completed_and_not_called_verified(capsys: pytest.CaptureFixture[str]) -> None:
    look = replace(seen(root=Phase.COMPLETED), counts={Phase.COMPLETED: WHOLE + 2})
    assert f"completed — {WHOLE + 1} of {WHOLE + 1} tasks completed, 10 s" in shown(Report(look, ()), capsys)
    document = report_document(Report(look, ()))
    assert (document["verified"], document["unchecked"]) == (None, None)

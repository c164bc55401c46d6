"""Copies of a run's results: each under a name of its own, nothing overwritten, and a report whatever the disk says."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.contracts.phases import Phase
from shared.contracts.views import TaskView
from taskgrove.cli.look import WHOLE
from taskgrove.cli.report import Report, report_document, report_on, show_report
from taskgrove.cli.screen import Screen
from taskgrove.client import Client
from tests.unit.cli.views import RUN, seen, task

GONE = "0" * 64
SCRIPT = "5c1"


def content(request: httpx2.Request) -> httpx2.Response:
    name = request.url.path.rpartition("/")[2]
    problem = {"status": 404, "title": "NotFound", "detail": "it was thrown away"}
    start = "#!/bin/sh\n" if name == SCRIPT else ""
    return httpx2.Response(404, json=problem) if name == GONE else httpx2.Response(200, text=f"{start}content {name}")


def step(path: str, *names: str, sha256: str | None = None, kind: str = "integration", **fields: Any) -> TaskView:
    """An integration step that left these files; its path is their content."""
    files = [{"name": name, "uri": "", "sha256": sha256 or path, "bytes": 9} for name in names]
    return task(path, fields.pop("phase", Phase.COMPLETED), kind=kind, result={"artifacts": files}, **fields)


def work(path: str, *names: str, after: Sequence[str] = (), **fields: Any) -> TaskView:
    """A task like any other that left these files."""
    return step(path, *names, kind="work", dependencies=[f"{RUN}.{other}" for other in after], **fields)


async def report(out: Path, *steps: TaskView) -> Report:
    async with Client("http://grove.test", transport=httpx2.MockTransport(content)) as there:
        return await report_on(there, seen(*steps, root=Phase.COMPLETED), hint=" --data d", out=out)


def files(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}


async def test_two_steps_with_one_name_give_two_files(tmp_path: Path) -> None:
    done = await report(tmp_path, step("1", "report.md"), step("2", "report.md"))
    assert files(tmp_path) == {"a47254d0.1/report.md": "content 1", "a47254d0.2/report.md": "content 2"}
    assert [one.saved for one in done.kept] == [tmp_path / "a47254d0.1/report.md", tmp_path / "a47254d0.2/report.md"]


async def test_a_file_of_one_step_may_be_the_folder_of_another(tmp_path: Path) -> None:
    done = await report(tmp_path, step("1", "docs"), step("2", "docs/index.md"))
    assert files(tmp_path) == {"a47254d0.1/docs": "content 1", "a47254d0.2/docs/index.md": "content 2"}
    assert done.exit_status == 0


async def test_the_files_of_one_task_lie_in_the_folder_itself(tmp_path: Path) -> None:
    await report(tmp_path, step("1", "a.md", "docs/b.md"), step("2"))
    assert files(tmp_path) == {"a.md": "content 1", "docs/b.md": "content 1"}


async def test_what_was_there_is_kept_and_the_report_says_the_other_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.md").write_text("my own")
    (tmp_path / "report-2.md").mkdir()
    done = await report(tmp_path, step("1", "report.md"))
    assert files(tmp_path) == {"report.md": "my own", "report-3.md": "content 1"}
    show_report(Screen(as_json=False), done)
    assert f"report.md  9 B  {tmp_path}/report-3.md (another report.md was there)" in capsys.readouterr().out
    assert report_document(done)["artifacts"][0]["savedAs"] == f"{tmp_path}/report-3.md"


async def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.md").symlink_to(tmp_path / "elsewhere")
    await report(tmp_path / "out", step("1", "report.md"))
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "out" / "report-2.md").read_text() == "content 1"


async def test_the_same_once_more_is_the_same_file(tmp_path: Path) -> None:
    first, again = [await report(tmp_path, step("1", "report.md")) for _ in range(2)]
    assert files(tmp_path) == {"report.md": "content 1"}
    assert first.kept == again.kept


async def test_what_cannot_be_saved_is_said_of_it_and_the_report_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs").write_text("my own")
    names = ("docs/index.md", "x" * 300, "a\0b", "good.md")
    done = await report(tmp_path, step("1", *names))
    assert files(tmp_path) == {"docs": "my own", "good.md": "content 1"}
    show_report(Screen(as_json=False), done)
    out, err = capsys.readouterr()
    assert "Release: completed — 1 of 1 task verified" in out
    assert [line.partition(":")[0] for line in err.splitlines()] == ["Not saved"] * 3 + ["Mend that, or take another folder"]
    assert f"Not saved: docs/index.md: File exists: {tmp_path}/docs" in err
    assert "taskgrove watch a47254d0 --data d --out DIR" in err
    assert done.exit_status == 1


async def test_programs_hear_what_was_not_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = await report(tmp_path, step("1", "a.md", sha256=GONE), step("2", "b.md"))
    found: list[dict[str, Any]] = json.loads(json.dumps(report_document(done)["artifacts"]))
    assert [(one["savedAs"], one["notSaved"]) for one in found] == [(None, "it was thrown away"), (f"{tmp_path}/a47254d0.2/b.md", None)]
    show_report(Screen(as_json=True), done)
    said = capsys.readouterr().err
    assert said == "Not saved: a.md: it was thrown away\n", "watch --json has no document at its end; no other folder would help"


async def test_half_a_file_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("NOT CHECKED: this system has no /dev/full")
    opened = Path.open

    def on_a_full_disk(self: Path, mode: str) -> Any:
        opened(self, mode).close()
        return opened(full, "wb")

    monkeypatch.setattr(Path, "open", on_a_full_disk)
    done = await report(tmp_path, step("1", "report.md"))
    assert list(tmp_path.iterdir()) == []
    assert done.kept[0].not_saved == f"No space left on device: {tmp_path}/report.md"


async def test_without_an_integration_step_the_files_of_the_last_tasks_are_the_results(tmp_path: Path) -> None:
    await report(tmp_path, work("1", "a.txt"), work("2", "b.txt", after=["1"]))
    assert files(tmp_path) == {"b.txt": "content 2"}


async def test_what_a_task_after_its_group_waits_for_is_no_result(tmp_path: Path) -> None:
    group = task("1", kind="group")
    await report(tmp_path, group, work("1.1", "part.txt"), work("2", "b.txt", after=["1"]), work("3", "c.txt", phase=Phase.FAILED))
    assert files(tmp_path) == {"b.txt": "content 2"}


async def test_that_there_are_no_files_is_said_to_whoever_wants_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    done = await report(out, work("1", "a.txt"), work("2", after=["1"]))
    show_report(Screen(as_json=False), done)
    assert f"No files: the tasks that end this run left none, so that nothing was copied to {out}" in capsys.readouterr().err
    assert (done.exit_status, out.exists()) == (0, False)
    show_report(Screen(as_json=False), replace(done, seen=replace(done.seen, counts={Phase.COMPLETED: WHOLE + 2})))
    assert "No files: of more than 1000 tasks only what integration steps of the run itself leave is copied" in capsys.readouterr().err
    show_report(Screen(as_json=False), replace(done, out=None))
    assert capsys.readouterr().err == ""


async def test_a_script_can_be_run_where_it_is_copied_to(tmp_path: Path) -> None:
    await report(tmp_path, step("1", "run.sh", sha256=SCRIPT), step("2", "plain.txt"))
    assert os.access(tmp_path / "a47254d0.1/run.sh", os.X_OK)
    assert not os.access(tmp_path / "a47254d0.2/plain.txt", os.X_OK)

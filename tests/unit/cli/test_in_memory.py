"""The command line against all five services in this process: what `--in-memory` gives, and every command over HTTP."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from typer.testing import Result

BUILD = "# Release\n\n## Build\n- check-file: a.txt\n\n```sh\necho built > a.txt\n```\n"
GATED = (
    BUILD
    + "\n## Ship\n- after: Build\n- approval: before, by release\n- integration: yes\n- check-file: s.txt\n\n```sh\necho s > s.txt\n```\n"
)
BROKEN = "# Bad\n\n## Break\n- retries: 0\n- check-file: never\n\n```sh\necho some words; exit 3\n```\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_run_that_is_all_verified_ends_with_0_and_its_results(call: Any, tmp_path: Path) -> None:
    notes = write(tmp_path / "n.md", BUILD + "\n## All\n- integration: yes\n- check-file: all.txt\n\n```sh\necho all > all.txt\n```\n")
    report = document(call("run", "--notes", notes, "--out", tmp_path / "out", "--json"))
    assert (report["status"], report["exitStatus"], report["counts"]) == ("Completed", 0, {"completed": 2})
    assert (report["verified"], report["unchecked"]) == (2, [])
    assert (tmp_path / "out" / "all.txt").read_text() == "all\n"


def test_a_task_without_a_check_ends_with_0_and_is_not_called_verified(call: Any, tmp_path: Path) -> None:
    notes = write(tmp_path / "n.md", BUILD + "\n## Docs\n### Say\n\n```sh\necho hello\n```\n")
    report = document(call("run", "--notes", notes, "--json"))
    below = [f"{report['runId']}.2", f"{report['runId']}.2.1"]
    assert (report["counts"], report["verified"], report["unchecked"]) == ({"completed": 3}, 1, below)


def test_a_failed_task_ends_with_1_and_why(call: Any, tmp_path: Path) -> None:
    done = call("run", "--notes", write(tmp_path / "n.md", BROKEN), "--approve-as", "ann")
    assert done.exit_code == 1
    assert "some words" in done.output
    assert "taskgrove logs" in done.output


def test_a_checkpoint_without_a_terminal_ends_with_3_and_the_command_to_go_on(call: Any, tmp_path: Path) -> None:
    done = call("run", "--notes", write(tmp_path / "n.md", GATED), "--json")
    report = json.loads(done.stdout)
    assert done.exit_code == report["exitStatus"] == 3
    identifier = report["next"][0].split()[2]
    assert [item["taskId"] for item in document(call("inbox", "--json"))["items"]] == [report["runId"] + ".2"]
    assert call("approve", identifier).exit_code != 0, "the admin is not in the group release"
    assert document(call("approve", identifier, "--as", "ann", "--json"))["state"] == "approve"
    lines = [json.loads(line) for line in call("watch", report["runId"], "--json").stdout.splitlines()]
    assert lines[-1]["phase"] == "completed"
    assert document(call("inbox", "--json")) == {"items": []}


def test_who_is_asked_by_name_answers_and_nobody_for_them(call: Any, tmp_path: Path) -> None:
    call("open", "--as", "eve", "--json")
    notes = write(tmp_path / "n.md", GATED.replace("by release", "by eve"))
    run = json.loads(call("run", "--notes", notes, "--json").stdout)["runId"]
    refused = call("approve", run, "--as", "mallory")
    assert (refused.exit_code, "this asks eve, and not mallory" in str(refused.exception)) == (1, True)
    assert "mallory is new" not in refused.output
    assert document(call("approve", run, "--as", "eve", "--json"))["state"] == "approve"
    assert call("watch", run).exit_code == 0


def test_approving_as_a_person_goes_through_the_checkpoint(call: Any, tmp_path: Path) -> None:
    report = document(call("run", "--notes", write(tmp_path / "n.md", GATED), "--approve-as", "bob", "--review", "--json"))
    assert report["counts"] == {"completed": 2}


def test_a_submitted_run_is_watched_listed_logged_exported_and_refused_twice(call: Any, tmp_path: Path) -> None:
    notes = write(tmp_path / "n.md", BUILD)
    run = document(call("submit", "--notes", notes, "--idempotency-key", "k1", "--json"))["runId"]
    assert document(call("submit", "--notes", notes, "--idempotency-key", "k1", "--json"))["runId"] == run
    assert call("watch", run[-8:]).exit_code == 0
    assert run in [item["runId"] for item in document(call("status", "--json"))["items"]]
    assert [child["title"] for child in document(call("status", run, "--json"))["children"]] == ["Build"]
    assert "✓ Build" in call("status", "last").output
    exported = call("export", "last", "-o", tmp_path / "run.json", "--json")
    assert document(exported)["filesLeftOut"] == 1
    assert "Without 1 file (6 B) of its tasks: as long as the run is here, `taskgrove watch" in exported.stderr
    done = call("cancel", run)
    assert done.exit_code != 0
    assert "is completed" in str(done.exception)


def test_a_run_is_paused_resumed_and_cancelled(call: Any, tmp_path: Path) -> None:
    run = document(call("submit", "--notes", write(tmp_path / "n.md", BUILD.replace("echo", "sleep 30; echo")), "--json"))["runId"]
    assert document(call("pause", run, "--json"))["paused"] is True
    assert document(call("resume", run, "--json"))["paused"] is False
    assert document(call("cancel", run, "--reason", "enough", "--json"))["phase"] == "cancelled"


def test_a_link_opens_the_page_of_a_run_once_as_whoever_is_named(call: Any, grove: dict[str, str], tmp_path: Path) -> None:
    run = document(call("submit", "--notes", write(tmp_path / "n.md", BUILD), "--json"))["runId"]
    found = document(call("open", "last", "--as", "ann", "--group", "release", "--json"))
    link = urlsplit(found["link"])
    fields = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert (found["opened"], fields["next"]) == (False, f"/runs/{run}")
    with httpx2.Client(base_url=grove["TASKGROVE_API"], trust_env=False) as browser:
        entered = browser.post(link.path, data=fields)
        assert (entered.status_code, entered.headers["location"]) == (303, f"/runs/{run}")
        assert browser.get("/whoami").json() == {"name": "ann", "roles": ["approver"], "groups": ["release"], "model": False}
        assert browser.post(link.path, data=fields).status_code == 403, "a second login over a session needs its token"
    assert httpx2.post(f"{grove['TASKGROVE_API']}/login", data=fields, trust_env=False).status_code == 401
    assert f"/login?token={fields['token']}" not in call("open", "--no-open").output


def test_output_that_nobody_reads_any_more_ends_it_without_a_word(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taskgrove.cli.main", "run", "--in-memory", "--notes", str(write(tmp_path / "n.md", BUILD))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stderr
        assert "Release" in running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1


def test_in_memory_runs_everything_in_this_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taskgrove.cli.main", "run", "--in-memory", "--json", "--notes", str(write(tmp_path / "n.md", BUILD))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] == "Completed"

"""Every command without a terminal: its exit status, and JSON that programs can read."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.grove import Grove

NOTES = {
    "good": "# Good\n## Say it\n- integration: yes\n- check-contains: summary: hello\n\n```sh\necho hello > said.txt; cat said.txt\n```\n",
    "bad": "# Bad\n## Fail\n- retries: 0\n- on-failure: fail\n\n```sh\necho reason; exit 7\n```\n",
    "asks": "# Asks\n## Publish\n- approval: before, by release\n\n```sh\necho published\n```\n",
    "helpless": "# Helpless\n## Fail\n- retries: 0\n\n```sh\nexit 7\n```\n",
    "unsound": "# Unsound\n## One\n- after: Nobody\n\n```sh\ntrue\n```\n",
}
STATUS = {"good": 0, "bad": 1, "unsound": 2, "asks": 3, "helpless": 3}


@pytest.fixture
def notes(tmp_path: Path) -> dict[str, str]:
    """Options for each of the notes."""
    for name, text in NOTES.items():
        (tmp_path / f"{name}.md").write_text(text)
    return {name: str(tmp_path / f"{name}.md") for name in NOTES}


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
async def test_the_exit_status_says_how_it_ended(grove: Grove, notes: dict[str, str], as_json: bool) -> None:
    options = ["--json"] if as_json else []
    ends = await asyncio.gather(*(grove.cli("run", "--notes", notes[name], *options) for name in STATUS))
    assert {name: end.status for name, end in zip(STATUS, ends, strict=True)} == STATUS
    for name, end in zip(STATUS, ends, strict=True):
        assert "Traceback" not in end.said
        if as_json and name != "unsound":
            assert end.json["exitStatus"] == STATUS[name]
        if name == "bad":
            assert "reason" in end.said
        if name == "asks":
            assert "taskgrove approve" in end.out
        if name == "unsound":
            assert (end.out, "Nobody" in end.err) == ("", True)


async def test_approve_as_answers_what_a_run_asks(grove: Grove, notes: dict[str, str]) -> None:
    ends = await asyncio.gather(*(grove.cli("run", "--notes", notes[name], "--approve-as", "demo") for name in ("asks", "helpless")))
    assert [end.status for end in ends] == [0, 1], [end.said for end in ends]


async def test_every_command_speaks_json(grove: Grove, notes: dict[str, str], tmp_path: Path) -> None:
    async def said(*args: str, status: int = 0) -> Any:
        end = await grove.cli(*args, "--json")
        assert end.status == status, f"{args}: {end.said}"
        return end.lines if args[0] in ("watch", "logs") else end.json

    plan = await said("plan", "--notes", notes["good"])
    assert "Say it" in json.dumps(plan)
    good = (await said("run", "--notes", notes["good"], "--out", str(tmp_path / "out")))["runId"]
    assert (tmp_path / "out" / "said.txt").read_text() == "hello\n"
    assert good in [item["runId"] for item in (await said("status"))["items"]]
    assert (await said("status", "last"))["runId"] == good
    assert (await said("status", good[-6:]))["children"][0]["phase"] == "completed"
    assert (await said("watch", "last"))[-1]["phase"] == "completed"
    assert any("hello" in line["message"] for line in await said("logs", "last"))

    asks = (await said("submit", "--notes", notes["asks"]))["runId"]
    await _asked(grove, asks)
    inbox = (await said("inbox", "--run", asks))["items"]
    assert [item["choices"] for item in inbox] == [["approve", "reject"]]
    assert (await said("pause", asks))["paused"] is True
    assert (await said("resume", asks))["paused"] is False
    assert (await said("approve", asks, "--as", "demo", "--comment", "fine"))["state"] == "approve"
    assert (await said("watch", asks))[-1]["phase"] == "completed"
    assert [item["state"] for item in (await said("inbox", "--run", asks, "--all"))["items"]] == ["approve"]

    refused = (await said("submit", "--notes", notes["asks"]))["runId"]
    await _asked(grove, refused)
    assert (await said("reject", refused, "--as", "demo"))["state"] == "reject"
    assert (await said("watch", refused, status=1))[-1]["status"] == "Failed"
    assert (await said("retry", refused))["status"] == "In Progress"
    assert (await said("cancel", refused, "--reason", "enough"))["phase"] == "cancelled"

    document = tmp_path / "run.json"
    assert (await said("export", good, "--output", str(document)))["bytes"] == document.stat().st_size
    assert json.loads((await grove.cli("export", good)).out)["runId"] == good
    again = await grove.cli("import", str(document), "--json")
    assert (again.status, "is here already" in again.err) == (2, True)
    assert (await said("quarantine", "list"))["items"] == []


async def _asked(grove: Grove, run_id: str) -> None:
    deadline = time.monotonic() + 20
    async with grove.client() as client:
        while not await client.approvals(run=run_id):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


async def test_what_there_is_not_is_said_with_the_way_to_what_there_is(grove: Grove) -> None:
    calls = {
        ("status", "ffffffff"): "taskgrove status",
        ("watch", "ab"): "too short",
        ("approve", "ffffffff"): "taskgrove inbox",
        ("cancel", f"{'0' * 32}.1"): "",
        ("export", "0" * 32): "",
        ("quarantine", "show", "nothing"): "taskgrove quarantine list",
        ("import", "/nowhere.json"): "taskgrove export",
        ("nothing",): "No such command",
        ("run",): "--notes",
    }
    ends = await asyncio.gather(*(grove.cli(*args) for args in calls))
    found = {args: (end.status, "Traceback" in end.said, words in end.err) for (args, words), end in zip(calls.items(), ends, strict=True)}
    assert found == dict.fromkeys(calls, (2, False, True))


async def test_without_a_taskgrove_every_command_says_how_to_get_one(second: Grove, notes: dict[str, str]) -> None:
    of_run = ("watch", "logs", "approve", "reject", "cancel", "pause", "resume", "retry", "export")
    commands = [("status",), ("inbox",), ("quarantine", "list"), ("submit", "--notes", notes["good"]), *((name, "last") for name in of_run)]
    ends = await asyncio.gather(*(second.cli(*args) for args in commands))
    found = {args: (end.status, "taskgrove up" in end.err) for args, end in zip(commands, ends, strict=True)}
    assert found == dict.fromkeys(commands, (4, True))
    down = await second.cli("down", "--json")
    assert (down.status, down.json["stopped"]) == (0, False)

"""What a person sees who is asked: of a plan review the plan, of every question all its lines."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from taskgrove.cli.approval_text import show_approval
from taskgrove.cli.people import Asker
from taskgrove.cli.persons import PersonClients
from taskgrove.cli.place import Place
from taskgrove.cli.screen import Screen
from taskgrove.cli.view import QuietView
from taskgrove.client import Client
from tests.unit.cli.views import approval

NOTES = "# Flat\n\n## Kitchen\n\n### Paint\n\n```sh\ntrue\n```\n\n## Hall\n- after: Kitchen\n- check-file: hall.txt\n\n```sh\ntrue\n```\n"


@pytest.fixture
def run(call: Any, tmp_path: Path) -> str:
    """A run whose plan waits for a person."""
    (tmp_path / "flat.md").write_text(NOTES)
    done = call("run", "--notes", tmp_path / "flat.md", "--review", "--json")
    assert done.exit_code == 3, done.output
    return str(json.loads(done.stdout)["runId"])


def test_the_inbox_shows_the_plan_that_is_to_be_judged_and_status_why_it_was_rejected(call: Any, run: str) -> None:
    shown = call("inbox", "--details", "--run", run).output
    assert "Flat  3 tasks" in shown
    assert all(part in shown for part in ("Kitchen", "Paint", "Hall  shell  after Kitchen  check: file hall.txt"))
    assert call("reject", run, "-m", "not like this").exit_code == 0
    assert call("watch", run).exit_code == 1
    first, *_, last = call("status", run).output.splitlines()
    assert first == "Flat  failed  rejected by local: not like this"
    assert last.endswith(": 0/0 done")
    assert "Kitchen" not in call("inbox", "--details", "--all", "--run", run).output


async def test_whoever_is_asked_at_the_terminal_sees_the_plan(
    run: str, grove: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there, here = os.pipe()
    os.write(here, b"later\n")
    screen = Screen(as_json=False)
    with os.fdopen(there) as stdin, os.fdopen(here, "w"):
        monkeypatch.setattr("sys.stdin", stdin)
        async with Client(grove["TASKGROVE_API"], key=grove["TASKGROVE_KEY"]) as client:
            (asked,) = await client.approvals(run=run)
            await Asker(client, screen, PersonClients(Place(grove["TASKGROVE_API"], None), client, say=print), hint="").answer(
                asked, QuietView()
            )
    shown = capsys.readouterr().out
    assert "Hall  shell  after Kitchen" in shown
    assert shown.index("Hall") < shown.index("[a] approve")


def test_an_empty_inbox_says_so_with_details_as_well(call: Any, tmp_path: Path) -> None:
    (tmp_path / "done.md").write_text("# Done\n\n## One\n\n```sh\ntrue\n```\n")
    done = json.loads(call("run", "--notes", tmp_path / "done.md", "--json").stdout)
    assert call("inbox", "--details", "--run", done["runId"]).output == "Nothing waits for a person.\n"


def test_every_line_of_a_question_is_indented(capsys: pytest.CaptureFixture[str]) -> None:
    show_approval(Screen(as_json=False), approval(question="It failed:\none\ntwo"))
    assert "\n  It failed:\n  one\n  two\n" in capsys.readouterr().out

"""Errors in the words of the command line: no requests, no types of Python, and the name of what was given."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import TaskgroveError

NOBODY = "0" * 32
HUMAN = "# Help\n\n## Ask\n- agent: human\n\nHow many?\n"
INTERNAL = ("GET /", "POST /", "Tuple", "Unexpected", "UnicodeEncodeError", "RunDocument", "TASKGROVE_HTTP_PORT", "Input should")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are not what they are given for."""
    folder = tmp_path_factory.mktemp("files")
    contents: dict[str, Any] = {"list": [], "object": {}, "none": {"tasks": []}, "script": {"rules": []}}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "human.md").write_text(HUMAN)
    return folder


def said(call: Any, *args: object) -> str:
    """What a refused command says."""
    done = call(*args)
    assert isinstance(done.exception, TaskgroveError), done.output
    assert done.exception.exit_status == 2
    assert not [word for word in INTERNAL if word in str(done.exception)]
    return str(done.exception)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["cancel", f"{NOBODY}.9"], f"there is no task '{NOBODY}.9'; `taskgrove status` lists the runs"),
        (["status", NOBODY], "`taskgrove status` lists the runs"),
        (["rerun", NOBODY], "`taskgrove status` lists the runs"),
        (["watch", NOBODY], "`taskgrove status` lists the runs"),
        (["logs", NOBODY], "`taskgrove status` lists the runs"),
        (["logs", NOBODY, "--follow"], "`taskgrove status` lists the runs"),
        (["quarantine", "show", "nothing"], "`taskgrove quarantine list`"),
        (["import", "FILES/list.json"], "list.json: this is no exported run; give a file that `taskgrove export` wrote"),
        (["import", "FILES/object.json"], "object.json: taskgrove: Field required"),
        (["plan", "--planner", "import", "FILES/none.json"], "none.json: tasks: there is nothing in it"),
    ],
)
def test_an_error_says_what_to_type_and_names_what_was_given(call: Any, files: Path, command: list[str], words: str) -> None:
    assert words in said(call, *(arg.replace("FILES", str(files)) for arg in command))


@pytest.mark.parametrize("key", ["\u00fc", "tg_\x07"])
def test_a_key_that_no_request_can_carry_is_refused_and_not_repeated(call: Any, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TASKGROVE_KEY", key)
    words = said(call, "status")
    assert "TASKGROVE_KEY" in words
    assert key not in words


def test_a_key_that_is_not_known_says_which_variable_has_it(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_KEY", "tg_other")
    assert "set TASKGROVE_KEY to one that is" in said(call, "status")


def test_a_port_that_is_taken_is_named_as_it_was_given(call: Any, files: Path, taken: int) -> None:
    words = said(call, "scripted-model", files / "script.json", "--port", taken)
    assert f"127.0.0.1:{taken}" in words
    assert "--port" in words


def test_to_take_over_says_how_the_result_is_given(call: Any, files: Path) -> None:
    run = json.loads(call("run", "--notes", files / "human.md", "--json").stdout)["runId"]
    assert "--result" in said(call, "approve", run, "--choice", "take_over")
    assert call("approve", run, "--choice", "take_over", "--result", "three").exit_code == 0

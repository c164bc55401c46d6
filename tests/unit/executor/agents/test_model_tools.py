"""The tools of the agent `model` on hostile names: nothing outside the attempt's directory is read, written, or even looked at."""

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.executor.agents.model.toolbox import MOST_READ, Toolbox
from services.executor.agents.model.workspace import MOST_LISTED, MOST_WRITTEN, Workspace
from shared.errors import BadInput
from shared.models.port import ToolCall

Use = Callable[..., Awaitable[Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with files of its own, beside a secret."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "secret").write_text("secret")
    root = tmp_path / "work"
    (root / "inputs" / "fetch").mkdir(parents=True)
    (root / "inputs" / "fetch" / "a.txt").write_text("from fetch")
    (root / "own").write_text("own")
    return root


@pytest.fixture
def use(root: Path) -> Use:
    async def run(command: str) -> str:
        return f"ran {command}"

    box = Toolbox(Workspace(root), run, answers={}, may_split=True)

    async def call(name: str, **arguments: Any) -> Any:
        return await box.use(ToolCall("c", name, arguments))

    return call


async def test_reading_far_behind_the_end_gives_nothing(use: Use) -> None:
    assert "bytes " in await use("read_file", path="own", offset=2**70)


OUTSIDE = ["../secret", "inputs/../../secret", "/etc/passwd", "a/../../secret", "..", "/", "", ".", "a\0b", "x" * 5_000, "a\nb"]


@pytest.mark.parametrize("name", OUTSIDE)
async def test_names_that_lead_out_are_refused(use: Use, root: Path, name: str) -> None:
    before = sorted(root.parent.rglob("*"))
    with pytest.raises(BadInput):
        await use("read_file", path=name)
    with pytest.raises(BadInput):
        await use("write_file", path=name, content="mine")
    if name not in ("", "."):
        with pytest.raises(BadInput):
            await use("list_files", path=name)
    assert sorted(root.parent.rglob("*")) == before
    assert (root.parent / "secret").read_text() == "secret"


@pytest.mark.parametrize(("link", "target", "name"), [
    ("link", "../secret", "link"),
    ("link", "/etc/passwd", "link"),
    ("link", "../folder", "link/secret"),
    ("link", "own", "link"),
    ("link", "../made-by-the-model", "link"),
    ("loop", "loop", "loop"),
])  # fmt: skip
async def test_links_are_not_followed(use: Use, root: Path, *, link: str, target: str, name: str) -> None:
    (root / link).symlink_to(target)
    with pytest.raises(BadInput, match="not followed"):
        await use("read_file", path=name)
    with pytest.raises(BadInput, match="not followed"):
        await use("write_file", path=name, content="mine")
    assert (root.parent / "folder" / "secret").read_text() == "secret"
    assert (root / "own").read_text() == "own"
    assert not (root.parent / "made-by-the-model").exists()
    assert "secret" not in await use("list_files")


async def test_a_second_name_of_another_file_is_not_touched(use: Use, root: Path) -> None:
    os.link(root.parent / "secret", root / "hard")
    for call in (use("read_file", path="hard"), use("write_file", path="hard", content="mine")):
        with pytest.raises(BadInput, match="no plain file"):
            await call
    assert (root.parent / "secret").read_text() == "secret"


async def test_what_is_no_file_holds_up_nobody(use: Use, root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "socket"))
        for name in ("pipe", "socket", "inputs"):
            for call in (use("read_file", path=name), use("write_file", path=name, content="mine")):
                with pytest.raises(BadInput):
                    await call


async def test_inputs_are_read_and_not_written(use: Use, root: Path) -> None:
    assert "\nfrom fetch\n" in await use("read_file", path="inputs/fetch/a.txt")
    for name in ("inputs/fetch/a.txt", "./inputs/new", "inputs"):
        with pytest.raises(BadInput, match="only to be read"):
            await use("write_file", path=name, content="mine")
    assert (root / "inputs" / "fetch" / "a.txt").read_text() == "from fetch"


async def test_writing_makes_folders_replaces_and_appends(use: Use, root: Path) -> None:
    await use("write_file", path="a/b/c.txt", content="a longer text")
    await use("write_file", path="a/b/c.txt", content="short")
    assert await use("write_file", path="a/b/c.txt", content="er", append=True) == "written: a/b/c.txt has 7 bytes"
    assert (root / "a" / "b" / "c.txt").read_text() == "shorter"
    await use("write_file", path="run", content="#!/bin/sh\n")
    assert os.access(root / "run", os.X_OK)
    assert not os.access(root / "a" / "b" / "c.txt", os.X_OK)


async def test_sizes_have_bounds(use: Use, root: Path) -> None:
    with pytest.raises(BadInput, match=str(MOST_WRITTEN)):
        await use("write_file", path="big", content="x" * (MOST_WRITTEN + 1))
    (root / "long").write_text("x" * MOST_READ + "the end")
    first = await use("read_file", path="long")
    assert first.endswith(f"bytes 0 to {MOST_READ} of {MOST_READ + 7}; 7 bytes more, read on at offset {MOST_READ}")
    assert "\nthe end\n" in await use("read_file", path="long", offset=MOST_READ)
    (root / "binary").write_bytes(b"\x7fELF\0\0")
    assert await use("read_file", path="binary") == "binary is a binary file of 6 bytes; look at it with a command"
    for number in range(MOST_LISTED + 5):
        (root / "own.d").mkdir(exist_ok=True)
        (root / "own.d" / f"{number:04}").touch()
    listed = await use("list_files", path="own.d")
    assert "own.d/0000  0 bytes" in listed
    assert "and 5 more" in listed


async def test_files_are_listed_by_name(use: Use) -> None:
    assert [line for line in (await use("list_files")).splitlines() if "bytes" in line] == ["own  3 bytes", "inputs/fetch/a.txt  10 bytes"]
    assert "inputs/fetch/a.txt" in await use("list_files", path="inputs")


@pytest.mark.parametrize(("name", "arguments", "why"), [
    ("read_file", {}, "path: Field required"),
    ("read_file", {"path": "own", "offset": -1}, "offset"),
    ("write_file", {"path": "a", "contents": "typing error"}, "contents"),
    ("done", {"summary": ["no text"]}, "summary"),
    ("ask_person", {"question": "  "}, "empty"),
    ("run_command", {"command": "x" * 100_000}, "at most"),
    ("delete", {"path": "own"}, "there is no tool 'delete'; there are: write_file"),
])  # fmt: skip
async def test_wrong_calls_say_what_is_wrong(use: Use, *, name: str, arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        await use(name, **arguments)


def test_the_schemas_are_plain(root: Path) -> None:
    async def run(command: str) -> str:
        return command

    tools = {tool.name: tool for tool in Toolbox(Workspace(root), run, answers={}, may_split=True).offered}
    assert tools["write_file"].parameters == {
        "additionalProperties": False,
        "properties": {"path": {"type": "string"}, "content": {"type": "string"}, "append": {"default": False, "type": "boolean"}},
        "required": ["path", "content"],
        "type": "object",
    }
    assert all(tool.description for tool in tools.values())

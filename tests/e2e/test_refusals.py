"""What cannot be carried out is refused at once, in words that say what to do, and leaves nothing begun behind."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.errors import Unauthorized
from taskgrove.client import Client
from tests.e2e.grove import Grove, alive, processes

MANY = 100_000
SCRIPT = "\n```sh\ntrue\n```\n"
BAD: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty.md": (b"", ("empty.md", "is empty; write into it")),
    "binary.md": (b"# A\n\0\x01\x02", ("binary.md", "binary", "UTF-8 text")),
    "latin.md": ("# Größe\n".encode("latin-1"), ("latin.md:1", "not UTF-8", "save the file")),
    "prose.md": (b"Only words, and nothing to do.\n", ("prose.md:1", "no task", "write each as a heading")),
    "cycle.md": (
        f"# A\n## One\n- after: Two\n{SCRIPT}\n## Two\n- after: One\n{SCRIPT}".encode(),
        ("cycle.md:3", "`One` → `Two` → `One`", "take one out"),
    ),
    "agent.md": (f"# A\n## One\n- agent: shel\n{SCRIPT}".encode(), ("agent.md:3", "no agent `shel`", "did you mean `shell`")),
    "key.md": (f"# A\n## One\n- chek: true\n{SCRIPT}".encode(), ("key.md:3", "`chek` is no key", "did you mean `check`")),
    "name.md": (f"# A\n## One\n- after: Tow\n{SCRIPT}\n## Two\n{SCRIPT}".encode(), ("name.md:3", "`Tow`", "did you mean `Two`")),
    "model.md": (b"# A\n## Think about it\n", ("Think about it", "agent")),
    "large.md": (b"# A\n" + b"x" * (20 * 2**20), ("large.md", "20 MiB", "Split the run")),
    "many.json": (
        json.dumps({"title": "Many", "tasks": [{"key": f"t{n}", "title": f"t{n}"} for n in range(MANY)]}).encode(),
        ("100000 tasks", "limit is 20000", "make it smaller"),
    ),
}


def written(directory: Path, name: str) -> list[str]:
    """The options for these notes, which lie in `directory` now."""
    path = directory / name
    path.write_bytes(BAD[name][0])
    return ["--notes", str(path), *(["--planner", "import"] if path.suffix == ".json" else [])]


@pytest.mark.parametrize("name", BAD)
async def test_bad_notes_start_nothing(grove: Grove, second: Grove, tmp_path: Path, name: str) -> None:
    """Neither where nothing runs yet, nor on a Taskgrove that is up."""
    options = written(tmp_path, name)
    runs = await grove.docs("submissions")
    for refused in await asyncio.gather(second.cli("run", *options), grove.cli("submit", *options)):
        assert (refused.status, refused.out) == (2, "")
        assert [words for words in BAD[name][1] if words not in refused.err] == []
        assert "Traceback" not in refused.err
    assert list(second.root.iterdir()) == []
    assert await grove.docs("submissions") == runs


async def test_a_file_that_is_missing_and_options_that_are_wrong(second: Grove, tmp_path: Path) -> None:
    there = tmp_path / "notes.md"
    there.write_text(f"# A\n## One\n{SCRIPT}")
    calls = {
        ("--notes", str(tmp_path / "node.md")): "no such file; in",
        ("--notes", str(there), "--input", "version"): "NAME=VALUE",
        ("--notes", str(there), "--planner", "outlin"): "outline",
        ("--notes", str(there), "--approve-as", "no name"): "no name",
    }
    ends = await asyncio.gather(*(second.cli("run", *options) for options in calls))
    for refused, words in zip(ends, calls.values(), strict=True):
        assert refused.status == 2, refused.said
        assert words in refused.err
    assert list(second.root.iterdir()) == []


async def test_the_api_refuses_what_is_too_large_and_what_it_does_not_know(grove: Grove) -> None:
    runs = await grove.docs("submissions")
    bodies = {
        413: b'{"description": "' + b"x" * (20 * 2**20) + b'"}',
        422: b'{"descriptoin": "a typing error"}',
    }
    async with grove.http() as http:
        for status, body in bodies.items():
            answer = await http.post("/tasks", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
    assert await grove.docs("submissions") == runs


async def test_a_plan_that_cannot_be_made_fails_its_run_and_says_why(grove: Grove) -> None:
    """The API takes any notes, because planning may take long; what becomes of them is seen at the run."""
    async with grove.client() as client:
        for name in ("cycle.md", "agent.md"):
            body = {"notes": [{"name": name, "text": BAD[name][0].decode()}]}
            async with grove.http() as http:
                run_id = (await http.post("/tasks", json=body)).json()["runId"]
            root = await client.wait(run_id, timeout=20)
            assert (root.status, root.child_ids) == ("Failed", ())
            assert root.error
            assert [words for words in BAD[name][1] if words not in root.error.message] == []
            assert await grove.docs("attempts", run_id=run_id) == []


async def test_a_wrong_key_is_refused(grove: Grove) -> None:
    refused = await grove.cli("status", TASKGROVE_KEY="tg_wrong")
    assert refused.status == 2
    assert "key" in refused.err
    async with Client(grove.state.api_url, key="tg_wrong") as client:
        with pytest.raises(Unauthorized, match="key"):
            await client.tasks()
    async with Client(grove.state.api_url) as client:
        with pytest.raises(Unauthorized):
            await client.submit("anything")


async def test_nobody_at_that_address(grove: Grove) -> None:
    refused = await grove.cli("status", "--api", "http://127.0.0.1:9")
    assert refused.status == 4
    assert "taskgrove up" in refused.err


async def test_a_second_one_on_the_same_directory_is_refused(grove: Grove) -> None:
    before = processes(grove.state)
    for refused in await asyncio.gather(grove.cli("up"), grove.cli("up", "--detach")):
        assert refused.status == 2, refused.said
        assert f"process {grove.state.supervisor.pid}" in refused.err
        assert "taskgrove down" in refused.err
    assert alive(before) == before
    assert await grove.is_ready()


@contextmanager
def small_disk(where: Path, *, size: str) -> Iterator[None]:
    """A file system of this size at `where`. Skips the test, loudly, where none can be mounted."""
    where.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"NOT TESTED: a full disk. It takes a small file system, and mount says: {mounted.stderr.strip()} (root may)")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


async def test_a_disk_without_room_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="50m"):
        refused = await Grove(tmp_path / "disk").cli("up")
        assert refused.status == 2, refused.said
        assert "50 MB free" in refused.err
        assert "TASKGROVE_HOME" in refused.err


async def test_a_disk_that_fills_up_during_a_run_fails_the_task_and_nothing_else(grove: Grove, tmp_path: Path) -> None:
    notes = tmp_path / "fill.md"
    notes.write_text(
        "# Fill\n## Fits\n\n```sh\necho small > a.txt\n```\n"
        "## Does not fit\n- retries: 1\n- check-file: b.bin\n\n```sh\nhead -c 3000000 /dev/urandom > b.bin\n```\n"
    )
    restarts = {name: process.restarts for name, process in grove.state.processes.items()}
    with small_disk(grove.root / "artifacts", size="1m"):
        waits = await grove.cli("run", "--notes", str(notes), "--json")
        assert waits.status == 3, waits.said
        question = waits.json["waitsFor"][0]
        assert question["kind"] == "escalation"
        assert "no space left" in question["question"]
        async with grove.client() as client:
            tasks = (await client.task(waits.json["runId"], tree=True)).children or ()
        assert {task.title: (task.phase, task.attempt) for task in tasks} == {"Fits": ("completed", 1), "Does not fit": ("escalated", 2)}
    mended = await grove.cli("approve", question["approvalId"], "--choice", "retry")
    assert mended.status == 0, mended.said
    async with grove.client() as client:
        assert (await client.wait(waits.json["runId"], timeout=30)).status == "Completed"
    assert {name: process.restarts for name, process in grove.state.processes.items()} == restarts

"""Two at once on one data directory, Ctrl-C in the middle, and a run that another Taskgrove takes over."""

import asyncio
import json
import os
import signal
from pathlib import Path

from tests.e2e.grove import Grove, alive, ended, processes, until
from tests.e2e.orchard import assert_whole, completed, orchard

NOTES = "# Small\n## Say it\n\n```sh\necho hello\n```\n"


async def test_two_at_once_then_ctrl_c_then_the_run_goes_on(grove: Grove, second: Grove, tmp_path: Path) -> None:
    (tmp_path / "small.md").write_text(NOTES)
    ends = await asyncio.gather(*(second.cli("run", "--notes", str(tmp_path / "small.md")) for _ in range(2)))
    first, other = sorted(ends, key=lambda end: end.status)
    assert first.status == 0, first.said
    assert "0 of 1 task verified, 1 done without a check" in first.out
    assert (other.status, "already running" in other.err, "taskgrove down" in other.err) == (2, True, True), other.said

    run_id = await _interrupted(second, tmp_path)
    await second.up()
    async with second.client() as client:
        await client.wait(run_id, timeout=60)
    await assert_whole(second, run_id, tmp_path / "ledger")
    await _taken_over(second, grove, run_id=run_id)
    await second.down()


async def _interrupted(grove: Grove, directory: Path) -> str:
    """A run in whose middle Ctrl-C is pressed; its id."""
    notes = orchard(directory / "ledger", seconds=0.8)
    (directory / notes.name).write_text(notes.text)
    running = await grove.spawn("run", "--notes", str(directory / notes.name))
    run_id = await until(lambda: _far_enough(grove), seconds=60, what="six tasks done")
    before = processes(grove.state)
    os.kill(running.pid, signal.SIGINT)
    stopped = await ended(running, what="run, interrupted")
    assert stopped.status == 130, stopped.said
    assert f"The run {run_id} is kept" in stopped.err
    assert "taskgrove up" in stopped.err
    assert "Traceback" not in stopped.said
    assert alive(before) == []
    return str(run_id)


async def _far_enough(grove: Grove) -> str | None:
    if not (grove.root / "state.json").exists():
        return None
    newest = max((root["_id"] for root in await grove.docs("tasks", parent_id=None, title="Orchard")), default=None)
    return newest if newest and await completed(grove, newest) >= 6 else None


async def _taken_over(source: Grove, target: Grove, *, run_id: str) -> None:
    """What one Taskgrove exports, another imports as the same tree."""
    async with source.client() as here, target.client() as there:
        await there.import_run(json.loads(await here.export(run_id)))
        assert (await there.task(run_id, tree=True)).wire() == (await here.task(run_id, tree=True)).wire()

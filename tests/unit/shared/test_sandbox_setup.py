"""Whether the sandbox failed or the program in it: known by what the program cannot print."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from shared.errors import MissingPart, SandboxFailed
from shared.sandbox import Finished, Limits, Sandbox

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
NOT_SET_UP = "echo 'bwrap: Creating new namespace failed'; exit 1"

MakeLoop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Finished]:
    """What comes of a script in bubblewrap, on either event loop."""
    (tmp_path / "work").mkdir()

    async def finished(script: str) -> Finished:
        sandbox = await Sandbox.probe("bubblewrap")
        return await sandbox.run(["sh", "-c", script], directory=tmp_path / "work", env={}, limits=Limits(seconds=20))

    def in_loop(script: str) -> Finished:
        try:
            with asyncio.Runner(loop_factory=request.param) as runner:
                return runner.run(finished(script))
        except MissingPart as error:
            pytest.skip(f"THE WALLS OF THE SANDBOX ARE NOT TESTED HERE: {error}")

    return in_loop


@pytest.mark.parametrize("script", [NOT_SET_UP, "bwrap --bind /nowhere / true", f"kill -9 1; {NOT_SET_UP}"])
def test_who_speaks_like_the_sandbox_has_failed_by_itself(run: Callable[[str], Finished], script: str) -> None:
    finished = run(script)
    assert (finished.exit_code, finished.ok, "bwrap: " in finished.output) == (1, False, True)


async def test_a_sandbox_that_cannot_be_set_up_is_not_the_fault_of_the_task(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    broken = Sandbox("bubblewrap", nesting=["--no-such-option"])
    with pytest.raises(SandboxFailed, match="could not be set up"):
        await broken.run(["true"], directory=tmp_path / "work", env={}, limits=Limits(seconds=5))


async def test_a_program_that_cannot_be_started_at_all_is_none_either(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(SandboxFailed, match="no process could be started"):
        await Sandbox("process").run(["true", "x" * 2**20], directory=tmp_path / "work", env={}, limits=Limits(seconds=5))

"""A check command may use as much memory as the checker is told, in each of its processes."""

import pytest

from services.checker.handlers import on_tasks_executed
from shared.service import Running
from tests.unit.checker.judging import put, verdict


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_CHECKER_COMMAND_MEMORY_BYTES", str(300 * 2**20))


async def test_of_a_check_command(checker: Running) -> None:
    command = {"kind": "command", "run": f'test "$(ulimit -d)" = {300 * 2**10}'}
    await on_tasks_executed([await put(checker, "run.1", command)], checker.service.deps)
    assert (await verdict(checker, "run.1:1"))["judgement"] == "passed"

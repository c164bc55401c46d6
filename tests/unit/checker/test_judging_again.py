"""A judgement that could not be made is made again: without end where a part is away, not where this machine runs nothing."""

import asyncio
from typing import Any

import pytest

from services.checker import judge as judging
from services.checker.checks import Check, Subject, Tools, checks
from services.checker.handlers import on_tasks_executed
from shared.catalogue.checks import CheckParams
from shared.contracts.checker import Evidence
from shared.errors import MissingPart, StoreUnavailable
from shared.sandbox import Sandbox
from shared.service import Running
from tests.unit.checker.judging import put, verdict

RUNS = {"kind": "command", "run": "true"}


def judge_in(sandbox: Sandbox, checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(sandbox)
    monkeypatch.setitem(checker.service.deps.judge._checks, "command", checks(tools)["command"])  # noqa: SLF001 (as wiring does it)
    tools.close()


async def test_work_that_speaks_like_the_sandbox_has_failed(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was judged again and again, for ever, and took the time of others."""
    try:
        judge_in(await Sandbox.probe("bubblewrap"), checker, monkeypatch)
    except MissingPart as error:
        pytest.skip(f"THE WALLS OF THE SANDBOX ARE NOT TESTED HERE: {error}")
    event = await put(checker, "run.1", {"kind": "command", "run": "echo 'bwrap: Creating new namespace failed'; exit 1"})
    await on_tasks_executed([event], checker.service.deps)
    found = await verdict(checker, "run.1:1")
    assert (found["judgement"], found["error"]["code"]) == ("failed", "check_failed")
    assert found["evidence"][0]["output"] == "bwrap: Creating new namespace failed\n"


async def test_where_nothing_can_be_run_a_person_is_asked_in_the_end(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MOST_UNMADE", 3)
    judge_in(Sandbox("bubblewrap", nesting=["--no-such-option"]), checker, monkeypatch)
    await on_tasks_executed([await put(checker, "run.1", RUNS)], checker.service.deps)
    found = await verdict(checker, "run.1:1")
    assert (found["judgement"], found["error"]["code"], found["error"]["permanent"]) == ("failed", "not_judged", True)
    assert "the sandbox could not be set up" in found["error"]["message"]


class Away(Check):
    """A check that needs a part which is away for a long time."""

    kind = "command"

    def __init__(self, failures: int) -> None:
        self._left = failures

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:  # noqa: ARG002 (of the port)
        if self._left:
            self._left -= 1
            raise StoreUnavailable("no primary")
        return Evidence(check=params.kind, passed=True, detail="it is back")


async def test_a_part_that_is_away_however_long_is_waited_for(checker: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_seconds: float) -> None:
        await nothing(0)

    nothing: Any = asyncio.sleep
    monkeypatch.setitem(checker.service.deps.judge._checks, "command", Away(1_100))  # noqa: SLF001 (as an installed package would put it there)
    event = await put(checker, "run.1", RUNS)
    monkeypatch.setattr(asyncio, "sleep", at_once)
    await on_tasks_executed([event], checker.service.deps)
    await asyncio.gather(*checker.service.deps.judge.running.values())
    monkeypatch.undo()
    assert (await verdict(checker, "run.1:1"))["judgement"] == "passed"

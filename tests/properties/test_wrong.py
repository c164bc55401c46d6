"""The properties can fail: each of these is deliberately wrong, and found out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import Phase as Step
from hypothesis import given, settings
from hypothesis.stateful import run_state_machine_as_test

from services.checker.domain import verdict
from services.sequencer.domain.decide import Patience, Verdict, after_verdict
from services.sequencer.domain.phases import How, Move
from services.sequencer.domain.task import Task
from services.sequencer.store import TaskStore
from shared.storage.port import Update
from tests.properties.test_judgements import EVIDENCE, JUDGEMENTS, TASKS, decided_once, judged_by_all
from tests.properties.test_sequencer import Run

FIND = settings(max_examples=1_000, phases=[Step.generate], deadline=None, database=None, print_blob=False, derandomize=True)


class CountsDown(TaskStore):
    """It forgets that others are in the way, as a counter does that was decremented twice."""

    async def not_passing(self, task_ids: Iterable[str]) -> dict[str, bool]:
        found = await super().not_passing(task_ids)
        return dict(list(found.items())[:-1])


class Blind(TaskStore):
    """It writes whatever the task's phase and epoch have become."""

    async def write(self, moves: Sequence[Move], *, settled: Sequence[str] = (), relaxed: bool = False) -> list[Move]:  # noqa: ARG002
        await self._tasks.bulk([Update({"_id": move.task.task_id}, {"$set": {"phase": move.how.target}}) for move in moves])
        return list(moves)


class Forgetful(TaskStore):
    """What it writes waits for nothing."""

    def _change(self, how: How) -> dict[str, Any]:
        change = super()._change(how)
        change["$set"].pop("due_at", None)
        return change


@pytest.mark.parametrize("wrong", [CountsDown, Blind, Forgetful])
def test_a_wrong_store_breaks_a_promise(wrong: type[TaskStore]) -> None:
    machine = type("Broken", (Run,), {"store": wrong})
    with pytest.raises((AssertionError, BaseExceptionGroup)):
        run_state_machine_as_test(machine, settings=FIND)  # type: ignore[no-untyped-call]


def any_epoch(task: Task, said: Verdict, patience: Patience) -> Move | None:
    """A verdict counts for whichever attempt is under way."""
    return after_verdict(task, Verdict(task.epoch, said.judgement, said.error, said.reason), patience)


def last_only(evidence: Sequence[Any], *, failed_children: Sequence[str]) -> dict[str, Any]:
    """The last check decides."""
    return verdict(evidence[-1:], failed_children=failed_children)


def found_out(attempt: Callable[[], None]) -> None:
    with pytest.raises((AssertionError, BaseExceptionGroup)):
        attempt()


def test_a_verdict_for_any_epoch_is_found_out() -> None:
    @FIND
    @given(TASKS, JUDGEMENTS)
    def attempt(about: Task, judgement: str) -> None:
        decided_once(about, Verdict(1, judgement, None), any_epoch)

    found_out(attempt)


def test_a_checker_that_looks_at_its_last_check_only_is_found_out() -> None:
    @FIND
    @given(EVIDENCE)
    def attempt(evidence: list[Any]) -> None:
        judged_by_all(last_only, evidence, [])

    found_out(attempt)

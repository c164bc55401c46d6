"""The check `model` with a real endpoint and ledger: what is answered from what was kept, and what is asked anew."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

import services.checker
from services.checker.checks import Judging, Subject, Tools, checks
from shared.catalogue.checks import parse_check
from shared.clock import ServerClock
from shared.contracts.checker import Evidence
from shared.contracts.executor import Result
from shared.memory.store import MemoryDatabase
from shared.models.ledger import Ledger
from shared.models.metrics import ModelMetrics
from shared.models.prompts import Prompts
from shared.telemetry.traces import NoTraces
from tests.unit.models.wire import Wire, completion

PROMPTS = Path(services.checker.__file__).parent / "prompts"
RIGHT, WRONG = "Version 1.4", "Version 2.0 is out"
Ask = Callable[..., Awaitable[Evidence]]


def opinion(quote: str, *, passed: bool = True) -> str:
    quotes = [{"file": "dist/a.txt", "text": quote}] if passed else []
    return orjson.dumps({"reasons": ["it says so"], "quotes": quotes, "passed": passed}).decode()


class Endpoint:
    """Says these in turn."""

    def __init__(self, *said: str) -> None:
        self._said = iter(said)
        self.wire = Wire(lambda _: completion(next(self._said)))
        ledger = MemoryDatabase(ServerClock())["checker_calls"]
        self.model = Ledger(self.wire.endpoint, ledger, ServerClock(), ModelMetrics(CollectorRegistry()), NoTraces())


@pytest.fixture
def ask(tools: Tools, files: Path) -> Ask:
    async def judged(endpoint: Endpoint, *, patience: float = 60.0, **subject: Any) -> Evidence:
        async def laid_out() -> Path:
            return files

        check = parse_check({"kind": "model", "criteria": "The version is named."})
        judging = Judging(endpoint.model, Prompts(PROMPTS), patience_seconds=patience)
        about = Subject(Result(), "Build it", laid_out, run_id="run", task_id="run.1", **subject)
        return await checks(replace(tools, judging=judging))["model"].judge(check, about)

    return judged


async def test_a_judge_who_misquoted_is_asked_again_at_the_next_attempt(ask: Ask) -> None:
    endpoint = Endpoint(opinion(WRONG), opinion(WRONG), opinion(RIGHT))
    first = await ask(endpoint, attempt_id="run.1:1")
    assert (first.passed, len(endpoint.wire.requests)) == (False, 2)
    second = await ask(endpoint, attempt_id="run.1:2")
    assert (second.passed, len(endpoint.wire.requests)) == (True, 3)
    assert endpoint.wire.bodies[2] == endpoint.wire.bodies[0], "it is the same question"
    again = await ask(endpoint, attempt_id="run.1:2")
    assert (again.passed, len(endpoint.wire.requests)) == (True, 3), "judged again, it costs nothing"


async def test_a_judge_who_always_misquotes_is_asked_twice_an_attempt(ask: Ask) -> None:
    endpoint = Endpoint(*[opinion(WRONG)] * 6)
    for attempt in (1, 2, 3):
        evidence = await ask(endpoint, attempt_id=f"run.1:{attempt}")
        assert (evidence.passed, len(endpoint.wire.requests)) == (False, 2 * attempt)


async def test_the_same_work_is_judged_once_until_a_person_wants_it_done_again(ask: Ask) -> None:
    endpoint = Endpoint(opinion("", passed=False), opinion(RIGHT))
    for attempt in (1, 2):
        assert not (await ask(endpoint, attempt_id=f"run.1:{attempt}")).passed
    assert len(endpoint.wire.requests) == 1
    for attempt in (3, 4):
        assert (await ask(endpoint, attempt_id=f"run.1:{attempt}", anew="order 1")).passed
    assert len(endpoint.wire.requests) == 2


async def test_without_patience_an_answer_takes_the_time_that_it_may_take(ask: Ask) -> None:
    assert (await ask(Endpoint(opinion(RIGHT)), patience=0)).passed

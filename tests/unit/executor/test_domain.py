"""What may be claimed, and how an answer or a failure is written down."""

from dataclasses import fields
from typing import Any

import pytest

from services.executor.agents import Asks, Done, TooBig
from services.executor.domain import claim_from, failed, is_still_wanted, written
from shared.contracts.executor import Outcome, Result
from shared.contracts.phases import Phase
from shared.contracts.plan import TaskSpec
from shared.errors import AgentFailed

CLAIMABLE = {Phase.READY, Phase.INTEGRATING}


def doc(phase: Phase = Phase.READY, **fields: Any) -> dict[str, Any]:
    return {"_id": "run.1", "run_id": "run", "phase": phase, "epoch": 2, "agent": "shell", **fields}


@pytest.mark.parametrize("phase", list(Phase))
def test_only_what_is_ready_or_integrating_is_claimed(phase: Phase) -> None:
    assert (claim_from(doc(phase), 2) is not None) == (phase in CLAIMABLE)


def test_not_of_another_epoch_and_not_while_it_is_paused() -> None:
    assert claim_from(doc(), 1) is None
    assert claim_from(doc(paused=True), 2) is None


@pytest.mark.parametrize(("agent", "lane"), [("shell", "process"), ("python", "waiting"), ("from-elsewhere", "process"), (None, "process")])
def test_an_agent_that_is_not_known_is_taken_to_compute(agent: str | None, lane: str) -> None:
    claim = claim_from(doc(agent=agent), 2)
    assert claim
    assert (claim.lane, claim.document()["_id"]) == (lane, "run.1:2")


def test_is_wanted_as_long_as_its_epoch_lasts() -> None:
    claim = claim_from(doc(), 2)
    assert claim
    assert is_still_wanted(claim, doc(paused=True))
    assert not is_still_wanted(claim, doc(epoch=3))
    assert not is_still_wanted(claim, doc(Phase.CANCELLED))
    assert not is_still_wanted(claim, None)


def test_answers() -> None:
    assert written(Done(Result(summary="did it")))["result"]["summary"] == "did it"
    assert written(Asks("which?")) == {"state": Outcome.ASKS, "reason": "which?"}
    assert [field.name for field in fields(Asks)] == ["question"], "all that an agent asks with is written"
    big = written(TooBig("much", (TaskSpec(key="a", title="A"),)))
    assert (big["state"], big["reason"], big["proposal"][0]["key"]) == (Outcome.TOO_BIG, "much", "a")


def test_failures() -> None:
    assert failed(AgentFailed("no", code="timed_out", permanent=True))["error"] == {"code": "timed_out", "message": "no", "permanent": True}
    assert failed(KeyError())["error"] == {"code": "exception", "message": "KeyError", "permanent": False}
    assert failed(ValueError("name \udcff"))["error"]["message"] == "name ?"
    assert len(failed(ValueError("x" * 100_000))["error"]["message"]) == 8_192

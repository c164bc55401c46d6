"""What is judged at once, and what the evidence adds up to."""

from dataclasses import replace
from typing import Any

import pytest

from services.checker.domain import Case, claimed, of_children, unjudged, verdict
from shared.contracts.checker import Evidence
from shared.contracts.executor import Artifact, Outcome, Result
from shared.contracts.phases import Phase

YES = Evidence(check="file: a", passed=True, detail="there")
NO = Evidence(check="file: b", passed=False, detail="missing")


def case(state: str = Outcome.EXECUTED, *checks: dict[str, Any]) -> Case:
    error = {"code": "x", "message": "y", "permanent": False} if state == Outcome.FAILED else None
    return Case("run.1:1", "run.1", "run", 1, "T", state, Result(), error=error, reason="why", checks=checks, is_parent=False)


@pytest.mark.parametrize("state", [outcome for outcome in Outcome if outcome not in (Outcome.EXECUTED, Outcome.RUNNING)])
def test_what_does_not_claim_to_be_done_is_judged_at_once(state: Outcome) -> None:
    found = unjudged(case(state.value))
    assert found
    assert (found["state"], found["judgement"], found["evidence"]) == ("done", state.value, [])


def test_what_claims_to_be_done_is_looked_at() -> None:
    assert unjudged(case()) is None


@pytest.mark.parametrize(
    ("state", "check", "slow"),
    [
        ("executed", {"kind": "command", "run": "true"}, True),
        ("executed", {"kind": "contains", "text": "x", "path": "a"}, True),
        ("executed", {"kind": "contains", "text": "x"}, False),
        ("executed", {"kind": "contains", "pattern": "x"}, True),
        ("executed", {"kind": "schema", "schema": {"type": "object"}}, False),
        ("executed", {"kind": "schema", "schema": {"type": "object"}, "path": "a"}, True),
        ("executed", {"kind": "schema", "schema": {"$ref": "#/$defs/a", "$defs": {"a": {}}}}, True),
        ("executed", {"kind": "schema", "schema": {"enum": ["x" * 3_000_000]}}, True),
        ("executed", {"kind": "of another package"}, True),
        ("failed", {"kind": "command", "run": "true"}, False),
    ],
)
def test_what_may_take_longer_than_a_message_may_be_held(state: str, check: dict[str, Any], slow: bool) -> None:
    assert case(state, check).is_slow is slow


def test_data_that_lies_in_a_file_takes_longer() -> None:
    moved = Result(data={"artifact": "data.json"}, artifacts=(Artifact(name="data.json", uri="", sha256="", bytes=1),))
    quick = case("executed", {"kind": "schema", "schema": {"type": "object"}})
    assert not quick.is_slow
    assert replace(quick, result=moved).is_slow


def test_all_checks_must_pass() -> None:
    assert verdict([YES], failed_children=[])["judgement"] == "passed"
    found = verdict([YES, NO, NO], failed_children=[])
    assert found["judgement"] == "failed"
    assert found["error"] == {"code": "check_failed", "message": "\n".join(["check not passed: file: b: missing"] * 2), "permanent": False}


def test_children_come_before_checks() -> None:
    found = verdict([YES], failed_children=[f"t{number}" for number in range(12)])
    assert (found["judgement"], found["error"]["code"], found["error"]["permanent"]) == ("failed", "children_failed", True)
    assert found["error"]["message"].endswith("t9 and 2 more")


def test_children_of_one_title_count_each() -> None:
    evidence, missed = of_children([("Twin", Phase.FAILED), ("Twin", Phase.COMPLETED), ("Other", Phase.SKIPPED)])
    assert (evidence.passed, evidence.detail, missed) == (False, "2 of 3 children done; not: Twin (failed)", ["Twin (failed)"])


def test_without_a_check_the_evidence_says_so() -> None:
    assert claimed().check == "none"
    assert "no check" in claimed().detail

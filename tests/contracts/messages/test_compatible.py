"""What version 1 of the contract was when it was first fixed (`first.json`, never written anew) is true of it still: it is only added to.

A change that this refuses needs a new version of the event (`.v2`), said beside the old one until nobody hears that any more.
"""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.contracts import checker, executor, phases, plan
from shared.contracts.base import PREFIX, Value, type_names
from shared.messaging.topology import events
from tests.house.compatible import breaks

FIRST = json.loads((Path(__file__).parent / "first.json").read_text(encoding="utf-8"))
VALUES: dict[str, type[Value]] = {
    "Plan": plan.Plan, "RunOptions": plan.RunOptions, "NotesFile": plan.NotesFile, "Result": executor.Result, "Evidence": checker.Evidence,
}  # fmt: skip
WORDS: dict[str, set[str]] = {
    "Phase": set(phases.Phase),
    "Action": set(phases.Action),
    "Outcome": set(executor.Outcome),
    "Judgement": set(get_args(checker.Judgement)),
}


@pytest.mark.parametrize("name", FIRST["events"])
def test_an_event_is_only_added_to(name: str) -> None:
    events()
    first, now = FIRST["events"][name], type_names[f"{PREFIX}{name}"]
    assert now.said_by == first["said_by"]
    assert set(first["heard_by"]) <= set(now.heard_by)
    assert list(breaks(first["schema"], now.model_json_schema(by_alias=True))) == []


@pytest.mark.parametrize("name", FIRST["values"])
def test_what_is_stored_is_only_added_to(name: str) -> None:
    """An older service reads what a newer one stored, and the other way round."""
    assert list(breaks(FIRST["values"][name], VALUES[name].model_json_schema(by_alias=True))) == []


@pytest.mark.parametrize("name", FIRST["words"])
def test_a_word_that_was_used_is_understood(name: str) -> None:
    assert set(FIRST["words"][name]) <= WORDS[name]


@pytest.mark.parametrize("event", events(), ids=lambda event: event.name)
def test_what_was_added_need_not_be_said(event: Any) -> None:
    """An older speaker does not say it: so it has a default."""
    first = FIRST["events"].get(f"{event.name}.v1")
    if first:
        assert set(event.model_json_schema(by_alias=True).get("required", ())) <= set(first["schema"].get("required", ()))
    else:
        assert event.heard_by, "a new event: nobody says it yet but who knows it"

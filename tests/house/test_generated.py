"""What is derived is up to date, and what was once committed of an event's shape is only ever added to."""

import json
import os
import subprocess
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from scripts.docs.settings import all_settings, env_example, own_fields
from scripts.generate_docs import EVENTS, asyncapi, generated
from tests.house.compatible import breaks
from tests.house.sources import ROOT

REMEDY = "run: make docs"
STANDARD = ("OTEL_",)
"""Prefixes of variables that every program with OpenTelemetry has."""


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def baseline() -> str:
    """What the events must be true to: TASKGROVE_EVENTS_SINCE, else the last release, else the last commit."""
    return os.environ.get("TASKGROVE_EVENTS_SINCE") or git("describe", "--tags", "--abbrev=0", "--match", "v*").strip() or "HEAD"


@pytest.mark.parametrize("path", generated(), ids=str)
def test_it_is_up_to_date(path: str) -> None:
    assert (ROOT / path).exists(), REMEDY
    assert (ROOT / path).read_text(encoding="utf-8") == generated()[path], REMEDY


def test_no_schema_outlives_its_event() -> None:
    assert {f"{EVENTS}/{path.name}" for path in (ROOT / EVENTS).glob("*")} == {path for path in generated() if path.startswith(EVENTS)}


def test_events_are_only_added_to() -> None:
    old = {path: git("show", f"{baseline()}:{path}") for path in git("ls-tree", "-r", "--name-only", baseline(), EVENTS).split()}
    now = generated()
    broken = [f"{path} is gone" for path in old if path not in now]
    for path, text in old.items():
        if path in now:
            broken += [f"{path}: {problem}" for problem in breaks(json.loads(text), json.loads(now[path]))]
    assert broken == [], f"since {baseline()}: declare a new version of the event and keep saying the old one"


@pytest.mark.parametrize("path", [path for path in generated() if path.startswith(EVENTS)])
def test_it_is_a_json_schema(path: str) -> None:
    Draft202012Validator.check_schema(json.loads(generated()[path]))


OLD: dict[str, Any] = {
    "properties": {"runId": {"type": "string", "maxLength": 64}, "reason": {"enum": ["a", "b"]}, "kind": {"$ref": "#/$defs/Kind"}},
    "required": ["runId"],
    "$defs": {"Kind": {"enum": ["x"]}, "Notes": {"properties": {"name": {"type": "string"}}, "required": ["name"]}},
}


def altered(**changes: Any) -> dict[str, Any]:
    new: dict[str, Any] = json.loads(json.dumps(OLD))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = new
        for part in parents:
            place = place[part.replace("defs", "$defs") if part == "defs" else part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return new


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (altered(), None),
        (altered(properties__extra={"type": "string"}), None),
        (altered(properties__reason={"enum": ["a", "b", "c"], "description": "more"}), None),
        (altered(defs__Kind={"enum": ["x", "y"]}), None),
        (altered(defs__Notes__properties__text={"type": "string"}), None),
        (altered(defs__More={"properties": {}}), None),
        (altered(properties__runId=None), "runId is gone"),
        (altered(properties__runId={"type": "string", "maxLength": 32}), "maxLength"),
        (altered(properties__runId={"type": "integer", "maxLength": 64}), "type"),
        (altered(properties__reason={"enum": ["a"]}), "no longer takes b"),
        (altered(required=["runId", "reason"]), "reason became required"),
        (altered(defs__Kind=None), "Kind is gone"),
        (altered(defs__Notes__properties__name=None), "Notes.name is gone"),
        (altered(defs__Notes__required=["name", "text"]), "Notes.text became required"),
    ],
)
def test_the_judge_of_changes(new: dict[str, Any], problem: str | None) -> None:
    found = list(breaks(OLD, new))
    assert bool(found) == bool(problem)
    assert not problem or problem in found[0]


def test_the_example_lists_every_setting_once() -> None:
    named = [line.partition("=")[0] for line in env_example().splitlines() if line and not line.startswith("#")]
    assert sorted(named) == sorted(name for _, settings in all_settings() for name in own_fields(settings))
    assert len(set(named)) == len(named)


@pytest.mark.parametrize(("title", "settings"), list(all_settings()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_setting_is_explained_and_prefixed(title: str, settings: Any) -> None:
    prefix = "TASKGROVE_" if title == "All services" else f"TASKGROVE_{title.upper()}_"
    assert [name for name in own_fields(settings) if not name.startswith((prefix, *STANDARD))] == []
    assert [name for name, field in own_fields(settings).items() if not field.description] == []


def test_the_asyncapi_document_refers_to_what_it_has() -> None:
    document = asyncapi()
    assert set(document["channels"]) == set(document["components"]["messages"])
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]
    for message in document["components"]["messages"].values():
        reference = message["payload"]["oneOf"][0]["properties"]["data"]["$ref"]
        assert (ROOT / "docs/reference" / reference).is_file()

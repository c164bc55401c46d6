"""Each check passes what is right, and says what is wrong in words that help; none raises for bad work."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.checker.checks import Subject, Tools, checks
from shared.artifacts import ArtifactStore, fit
from shared.catalogue.checks import CHECKS, parse_check
from shared.contracts.checker import Evidence
from shared.contracts.executor import Artifact, Result
from shared.errors import NotFound, StoreUnavailable

Judge = Callable[..., Awaitable[Evidence]]

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize(
    "check",
    [
        {"kind": "command", "run": "test -s dist/a.txt && test $TASKGROVE_INPUT_NAME = value"},
        {"kind": "file", "path": "dist/a.txt"},
        {"kind": "file", "path": "**/*.txt", "minBytes": 10},
        {"kind": "file", "path": "empty", "minBytes": 0},
        {"kind": "contains", "text": "14 passed"},
        {"kind": "contains", "pattern": r"\b\d+ passed$"},
        {"kind": "contains", "path": "dist/a.txt", "text": "Version"},
        {"kind": "contains", "path": "dist/*.txt", "pattern": r"^Version \d"},
        {"kind": "schema", "path": "data.json", "schema": NAME},
        {"kind": "schema", "schema": {"maxProperties": 0}},
        {"kind": "schema", "path": "data.json", "schema": {"properties": {"name": {"format": "date"}}}},
        {"kind": "schema", "path": "data.json", "schema": {"$ref": "#/$defs/d", "$defs": {"d": NAME}}},
    ],
)
async def test_passes_what_is_right(judge: Judge, check: dict[str, Any]) -> None:
    evidence = await judge(check)
    assert evidence.passed, evidence.detail
    assert evidence.check.startswith(check["kind"])


@pytest.mark.parametrize(
    ("check", "detail"),
    [
        ({"kind": "command", "run": "exit 3"}, "exit status 3, "),
        ({"kind": "command", "run": "sleep 9", "timeout": 0.2}, "stopped after"),
        ({"kind": "command", "run": "echo $UNSET"}, "exit status 2"),
        ({"kind": "file", "path": "dist/b.txt"}, "no file matches dist/b.txt; there are: data.json, empty, dist/a.txt"),
        ({"kind": "file", "path": "empty"}, "empty has 0 bytes, fewer than 1"),
        ({"kind": "file", "path": "../files/empty"}, "without '..'"),
        ({"kind": "contains", "text": "15 passed"}, "the summary is: '14 passed'"),
        ({"kind": "contains", "path": "dist/a.txt", "text": "version"}, "not found in dist/a.txt"),
        ({"kind": "contains", "path": "empty", "text": "x"}, "not found in empty"),
        ({"kind": "contains", "path": "none", "text": "x"}, "there are: data.json"),
        ({"kind": "schema", "schema": NAME}, '$: "name" is a required property'),
        ({"kind": "schema", "path": "data.json", "schema": {"properties": {"count": {"type": "string"}}}}, "$.count: 3 is not of type"),
        ({"kind": "schema", "path": "dist/a.txt", "schema": {}}, "dist/a.txt is not JSON"),
        ({"kind": "schema", "path": "none.json", "schema": {}}, "there is no file none.json; there are: "),
        ({"kind": "file", "path": ".env"}, "(hidden files are kept only when `outputs:` names them)"),
        ({"kind": "contains", "path": "a/.env", "text": "x"}, "(hidden files are kept only when `outputs:` names them)"),
        ({"kind": "schema", "path": ".x.json", "schema": {}}, "(hidden files are kept only when `outputs:` names them)"),
        ({"kind": "schema", "path": "/etc/hostname", "schema": {}}, "there is no file /etc/hostname"),
        ({"kind": "schema", "schema": {"type": "nonsense"}}, "the schema itself is wrong at $.type"),
        ({"kind": "schema", "schema": {"$ref": "http://127.0.0.1:9/s.json"}}, "nothing is fetched"),
        ({"kind": "schema", "path": "data.json", "schema": {"patternProperties": {"(": {}}}}, "the schema"),
    ],
)
async def test_says_what_is_wrong(judge: Judge, check: dict[str, Any], detail: str) -> None:
    evidence = await judge(check)
    assert not evidence.passed
    assert detail in evidence.detail


async def test_the_output_of_a_command_is_evidence(judge: Judge) -> None:
    evidence = await judge({"kind": "command", "run": "echo out; echo err >&2; false"})
    assert evidence.output == "out\nerr\n"
    assert evidence.seconds is not None
    flood = await judge({"kind": "command", "run": "yes | head -c 1000000"})
    assert flood.passed
    assert len(flood.output) < 20_000


async def test_only_the_first_files_are_named(judge: Judge, files: Path) -> None:
    for number in range(50):
        (files / f"f{number:02}").touch()
    evidence = await judge({"kind": "file", "path": "none"})
    assert "f17 and 33 more" in evidence.detail


async def test_expressions_that_never_come_back_are_stopped(judge: Judge, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.checker.checks.base.PATIENCE", 1.0)
    (files / "a").write_text("a" * 40 + "!")
    start = time.monotonic()
    evil = await judge({"kind": "contains", "path": "a", "pattern": "(a+)+$"})
    assert evil.detail.startswith("the expression did not come back within 1 s")
    assert not evil.passed
    data = Result(data={"x": "a" * 40 + "!"})
    evil = await judge({"kind": "schema", "schema": {"properties": {"x": {"pattern": "^(a+)+$"}}}}, data)
    assert not evil.passed, "matched in linear time"
    assert time.monotonic() - start < 10
    assert (await judge({"kind": "contains", "pattern": "passed"})).passed, "the next one finds a working process"


@pytest.mark.parametrize("more", [{}, {"id": 2**63}, {"many": [{"line": n, "text": "a leak"} for n in range(9_000)]}, {"a\0b": 1}])
@pytest.mark.parametrize("right", [True, False])
async def test_data_that_lies_in_a_file_is_held_against_its_schema(judge: Judge, files: Path, more: Any, right: bool) -> None:
    """It lies in a file then, and what stands in its place would satisfy a schema that allows anything, and none that demands something."""
    store = ArtifactStore.open("memory://moved")
    result = await fit(Result(data={"findings": ["a leak"], **({} if right else {"errors": 3}), **more}), store)
    assert bool(result.artifacts) is bool(more), "only what is larger, or odd, becomes a file"
    (files / "data.json").unlink()
    await store.lay_out(result.artifacts, files)
    evidence = await judge({"kind": "schema", "schema": {"required": ["findings"], "properties": {"errors": {"maximum": 0}}}}, result)
    assert (evidence.passed, evidence.detail) == ((True, "valid") if right else (False, "$.errors: 3 is greater than the maximum of 0"))


async def test_data_that_only_looks_as_if_it_lay_in_a_file_is_data(judge: Judge) -> None:
    """The task has said which of its files is the report, and the file is no JSON."""
    report = Artifact(name="dist/a.txt", uri="", sha256="", bytes=18)
    named = Result(data={"artifact": "dist/a.txt"}, artifacts=(report,))
    assert (await judge({"kind": "schema", "schema": {"required": ["artifact"]}}, named)).passed


@pytest.mark.parametrize("path", [None, "data.json"])
async def test_schemas_that_never_come_back_are_stopped(judge: Judge, monkeypatch: pytest.MonkeyPatch, path: str | None) -> None:
    """Each part refers to the next one twice: one kilobyte, and as many ways as there are atoms in the sea."""
    monkeypatch.setattr("services.checker.checks.base.PATIENCE", 1.0)
    parts: dict[str, Any] = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
    schema = {"$ref": "#/$defs/a0", "$defs": {**parts, "a60": {"type": "string"}}}
    evil = await judge({"kind": "schema", "schema": schema, **({"path": path} if path else {})})
    assert not evil.passed
    assert evil.detail.startswith("the schema did not come back within 1 s")


async def test_expressions_are_not_tried_on_large_files_but_texts_are(judge: Judge, files: Path) -> None:
    (files / "large").write_bytes(b"x" * 5 * 2**20 + b"needle")
    assert (await judge({"kind": "contains", "path": "large", "text": "needle"})).passed
    evidence = await judge({"kind": "contains", "path": "large", "pattern": "needle"})
    assert "look for a text instead" in evidence.detail
    (files / "large.json").write_bytes(b'"' + b"x" * 5 * 2**20 + b'"')
    assert "larger than" in (await judge({"kind": "schema", "path": "large.json", "schema": {}})).detail


async def test_links_that_a_command_made_lead_nowhere(judge: Judge, files: Path) -> None:
    await judge({"kind": "command", "run": "ln -s /etc/hostname host; ln -s /etc/hostname host.json"})
    assert not (await judge({"kind": "file", "path": "host"})).passed
    assert not (await judge({"kind": "contains", "path": "host", "pattern": "."})).passed
    assert "there is no file" in (await judge({"kind": "schema", "path": "host.json", "schema": {}})).detail
    assert (files / "host").is_symlink()


@pytest.mark.parametrize(
    "check",
    [
        {"kind": "command", "run": "true"},
        {"kind": "file", "path": "x"},
        {"kind": "contains", "path": "x", "text": "x"},
        {"kind": "schema", "path": "x", "schema": {}},
    ],
)
async def test_lost_files_are_evidence_but_a_lost_store_is_not(tools: Tools, check: dict[str, Any]) -> None:
    async def lost() -> Path:
        raise NotFound("artifact 123 is not there")

    async def unavailable() -> Path:
        raise StoreUnavailable("no store")

    agent = checks(tools)[check["kind"]]
    evidence = await agent.judge(parse_check(check), Subject(Result(), "t", lost))
    assert (evidence.passed, evidence.detail) == (False, "artifact 123 is not there")
    with pytest.raises(StoreUnavailable):
        await agent.judge(parse_check(check), Subject(Result(), "t", unavailable))


def test_the_checks_are_those_of_the_catalogue(tools: Tools) -> None:
    assert set(checks(tools)) == set(CHECKS)

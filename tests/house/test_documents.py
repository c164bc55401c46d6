"""The AsyncAPI and OpenAPI documents are what their standards ask for, by validators in node (`make check-docs` gets them)."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.house.sources import ROOT
from tests.needs import lacking, needed

NODE = ROOT / "scripts/docs/node"
ASYNCAPI, OPENAPI = ROOT / "docs/reference/asyncapi.json", ROOT / "docs/reference/openapi.json"


@pytest.fixture(scope="module")
def node() -> str:
    found = needed("node")
    if not (NODE / "node_modules").is_dir():
        lacking("the validators of the documents are missing; run `make check-docs`, which gets them with npm")
    return found


def problems(node: str, asyncapi: Path, openapi: Path) -> list[str]:
    run = subprocess.run([node, NODE / "check.mjs", asyncapi, openapi], capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return run.stdout.splitlines() if run.returncode else []


def test_both_are_valid(node: str) -> None:
    assert problems(node, ASYNCAPI, OPENAPI) == []


def test_the_judge_finds_what_is_wrong(node: str, tmp_path: Path) -> None:
    asyncapi, openapi = json.loads(ASYNCAPI.read_text(encoding="utf-8")), json.loads(OPENAPI.read_text(encoding="utf-8"))
    next(iter(asyncapi["operations"].values()))["channel"]["$ref"] = "#/channels/none"
    openapi["paths"]["/tasks"]["get"]["responses"] = []
    (tmp_path / "events").symlink_to(ASYNCAPI.parent / "events")
    for name, document in (("a.json", asyncapi), ("o.json", openapi)):
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    found = problems(node, tmp_path / "a.json", tmp_path / "o.json")
    assert any("#/channels/none" in line for line in found)
    assert any("must be object" in line for line in found)

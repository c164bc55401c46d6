"""The failure contract promises nothing that no test proves: each row names its proofs, and each proof is there."""

import ast
import re
from functools import cache

import pytest

from tests.faults.__main__ import SCENARIOS
from tests.house.sources import ROOT

CONTRACT = ROOT / "docs/reference/failure-contract.md"
COLUMNS = ("failure", "what you see", "what is guaranteed", "proof")
FEWEST = 30
TEST = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)*)`")
SCENARIO = re.compile(r"`make faults SCENARIO=([\w-]+)`")


def rows() -> list[list[str]]:
    """The cells of each row of each table of the contract that has its four columns."""
    found, inside = [], False
    for line in CONTRACT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        if tuple(cells) == COLUMNS:
            inside = True
        elif not cells:
            inside = False
        elif inside and not set(line) <= set("|- "):
            found.append(cells)
    return found


@cache
def names_in(path: str) -> frozenset[str]:
    """What a test file defines, methods as `::Class::test`."""
    names = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(f"::{node.name}")
        if isinstance(node, ast.ClassDef):
            names |= {f"::{node.name}::{one.name}" for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return frozenset(names)


def missing(proof: str) -> list[str]:
    """What a cell of proofs names and is not there."""
    lost = [f"{path}{name}" for path, name in TEST.findall(proof) if not (ROOT / path).is_file() or (name and name not in names_in(path))]
    return lost + [name for name in SCENARIO.findall(proof) if name not in SCENARIOS]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_each_row_has_its_proof(row: list[str]) -> None:
    assert len(row) == len(COLUMNS), f"a row has the columns {COLUMNS}: {row}"
    assert all(row)
    assert TEST.search(row[3]) or SCENARIO.search(row[3]), f"no proof is named for: {row[0]}"
    assert missing(row[3]) == []


def test_it_has_its_rows() -> None:
    assert len(rows()) >= FEWEST


def test_a_proof_that_is_gone_is_seen() -> None:
    here = "tests/house/test_failure_contract.py"
    assert missing(f"`{here}::test_it_has_its_rows`") == []
    assert missing(f"`{here}::test_nothing`, `tests/house/gone.py`, `make faults SCENARIO=no-such-thing`") == [
        f"{here}::test_nothing",
        "tests/house/gone.py",
        "no-such-thing",
    ]

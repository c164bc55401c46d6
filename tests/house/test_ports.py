"""What services ask of broker and store is in the suite that runs on the twins and on the real ones; what is new has to go there first."""

import ast
import re
from collections.abc import Iterable, Iterator
from inspect import getmembers, isfunction, signature
from pathlib import Path

import pytest

from shared.messaging.port import Broker, Delivery
from shared.storage.language import CHANGES, FILTERS
from shared.storage.port import Collection, Database
from tests.house.sources import ROOT, Source, sources

OPERATOR = re.compile(r"\$[a-zA-Z]+")
OF_JSON_SCHEMA = {"$defs", "$id", "$ref"}
NOT_ASKING = (
    "shared/memory/",
    "shared/storage/language.py",
    "shared/storage/mongo.py",
    "shared/storage/measured.py",
    "shared/storage/together.py",
    "shared/storage/translation.py",
    "shared/storage/prepare.py",
)
SUITES = {"store": "tests/contracts/store", "broker": "tests/contracts/broker"}
PORTS = {"store": (Collection, Database), "broker": (Broker, Delivery)}


def asking() -> Iterator[ast.Module]:
    """The files that ask something of broker or store."""
    for source in sources():
        if source.name.startswith(("services/", "shared/", "taskgrove/")) and not source.name.startswith(NOT_ASKING):
            yield source.tree


def suite(name: str) -> list[ast.Module]:
    """The files of one suite."""
    return [_read(path).tree for path in sorted((ROOT / SUITES[name]).glob("*.py"))]


def _read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path, text, ast.parse(text))


def nodes(trees: Iterable[ast.Module]) -> Iterator[ast.AST]:
    for tree in trees:
        yield from ast.walk(tree)


def operators(trees: Iterable[ast.Module]) -> set[str]:
    """Every operator of the store's language that is written there."""
    words = {node.value for node in nodes(trees) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {word for word in words if OPERATOR.fullmatch(word)} - OF_JSON_SCHEMA


def keywords(trees: Iterable[ast.Module], method: str) -> set[str]:
    """The keywords that are given to a method of that name."""
    calls = (node for node in nodes(trees) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return {word.arg for call in calls if _name(call) == method for word in call.keywords if word.arg}


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def called(trees: Iterable[ast.Module]) -> set[str]:
    """The names of all methods that are called."""
    return {_name(node) for node in nodes(trees) if isinstance(node, ast.Call)}


def kinds_of_index(trees: Iterable[ast.Module]) -> set[str]:
    """What is asked of indexes: keywords, and how their keys are."""
    found = set()
    for node in nodes(trees):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Index" and node.args:
            found |= {word.arg for word in node.keywords if word.arg}
            keys = node.args[0]
            assert isinstance(keys, ast.Tuple), "an index is written down where it is declared"
            found |= {"several keys"} if len(keys.elts) > 1 else set()
            found |= {f"direction {ast.unparse(key.elts[1])}" for key in keys.elts if isinstance(key, ast.Tuple)}
    return found


def methods(port: type) -> list[str]:
    """What a port offers, and that it can be asked."""
    return [name for name, _ in getmembers(port, isfunction) if not name.startswith("_")]


def test_every_operator_that_is_used_is_in_the_stores_suite() -> None:
    used = operators(asking())
    assert {"$set", "$in", "$lte", "$unset"} <= used, "nothing was found: this test looks in the wrong places"
    assert used - operators(suite("store")) == set()


def test_every_operator_that_is_promised_is_in_the_stores_suite() -> None:
    assert (FILTERS | CHANGES | {"$or", "$text"}) - operators(suite("store")) == set()


def test_every_kind_of_index_is_in_the_stores_suite() -> None:
    used = kinds_of_index(asking())
    assert {"partial", "unique", "expire_after", "several keys"} <= used, "nothing was found: this test looks in the wrong places"
    assert used - kinds_of_index(suite("store")) == set()


@pytest.mark.parametrize("name", SUITES)
def test_every_method_of_a_port_is_in_its_suite(name: str) -> None:
    offered = {method for port in PORTS[name] for method in methods(port)}
    assert offered
    assert offered - called(suite(name)) == set()


@pytest.mark.parametrize("name", SUITES)
def test_every_keyword_that_is_given_to_a_port_is_given_in_its_suite(name: str) -> None:
    missing = []
    for port in PORTS[name]:
        for method in methods(port):
            own = set(signature(getattr(port, method)).parameters)
            missing += [f"{method}({word}=…)" for word in (keywords(asking(), method) & own) - keywords(suite(name), method)]
    assert missing == []

"""The rights of a service in MongoDB are what its code asks for: its own schemas to write, the collections that it names to read."""

import ast
import re
from importlib import import_module

import pytest

from shared.storage.slices import APPENDS, SLICES, privileges
from tests.house.sources import sources

NAMED = re.compile(r"database\[['\"](\w+)['\"]\]")


def schemas(service: str) -> set[str]:
    """What a service makes."""
    return {schema.name for schema in import_module(f"services.{service}.store").SCHEMAS}


def named(service: str) -> set[str]:
    """The collections that the code of a service names."""
    own = [source for source in sources() if source.name.startswith(f"services/{service}/")]
    return {name for source in own for name in NAMED.findall(ast.unparse(source.tree))}


@pytest.mark.parametrize("service", SLICES)
def test_it_owns_what_it_makes(service: str) -> None:
    assert set(SLICES[service].owns) == schemas(service)


@pytest.mark.parametrize("service", SLICES)
def test_it_reads_what_it_names(service: str) -> None:
    mine = SLICES[service]
    assert named(service) <= {*mine.owns, *mine.reads}
    assert set(mine.reads).isdisjoint(mine.owns)


def test_nothing_has_two_owners() -> None:
    owned = [name for one in SLICES.values() for name in one.owns]
    assert len(owned) == len(set(owned))


def test_all_may_add_to_logs_and_quarantine_and_nobody_else_changes_the_log() -> None:
    for service in SLICES.keys() - {"approvals"}:
        rights = {one["resource"]["collection"]: set(one["actions"]) for one in privileges(service, "taskgrove")}
        assert {name: rights[name] for name in APPENDS} == {"logs": {"insert"}, "quarantine": {"insert", "update"}}

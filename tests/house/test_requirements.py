"""What a service imports, also late and by way of shared code, is locked in its requirements: an image holds no more than they say."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house.sources import ROOT, SERVICES, Source, sources

OURS = ("services", "shared", "taskgrove")


def by_module() -> dict[str, Source]:
    """Every source by its module's name."""
    return {".".join(source.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): source for source in sources()}


def imports(node: ast.AST, *, late: bool) -> Iterator[str]:
    """What a file imports, but for types only; `late`: also inside functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield str(child.module)
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        elif late or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from imports(child, late=late)


def reached(service: str) -> dict[str, str]:
    """Every top-level module that is not ours, with the file that imports it.

    A package that is only passed through, on the way to a module of it, runs no function of its own.
    """
    modules, found = by_module(), dict[str, str]()
    waiting = [(name, True) for name in modules if name.startswith(f"services.{service}")]
    seen = set(waiting)
    while waiting:
        module, late = waiting.pop()
        for name in imports(modules[module].tree, late=late):
            if name.partition(".")[0] not in OURS:
                found.setdefault(name.partition(".")[0], module)
                continue
            passed = [(name.rsplit(".", up)[0], up == 0) for up in range(name.count(".") + 1)]
            fresh = {one for one in passed if one[0] in modules} - seen
            seen |= fresh
            waiting += fresh
    return found


def locked(path: Path) -> set[str]:
    """The distributions of a requirements file, by their normalized names."""
    return {normal(line.partition("==")[0]) for line in path.read_text().splitlines() if re.match(r"[\w.-]+==", line)}


def normal(name: str) -> str:
    """A distribution's name as packaging compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("service", SERVICES)
def test_every_import_of_a_service_is_in_its_requirements(service: str) -> None:
    distributions = packages_distributions()
    there = locked(ROOT / f"requirements/{service}.txt")
    lacking = {
        f"{name}, imported by {module}"
        for name, module in reached(service).items()
        if name in distributions and not {normal(one) for one in distributions[name]} & there
    }
    assert lacking == set()


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_reaches_another_or_what_a_person_installs(service: str) -> None:
    for module, source in by_module().items():
        if module.startswith(f"services.{service}"):
            others = [name for name in imports(source.tree, late=True) if re.match(rf"taskgrove\b|services\.(?!{service}\b)\w", name)]
            assert others == [], module

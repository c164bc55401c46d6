"""Every service looks the same from outside, and what is named in a catalogue is there."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import shared
from shared.catalogue.agents import AGENTS
from shared.catalogue.checks import CHECKS
from shared.catalogue.planners import PLANNERS
from tests.house.sources import ROOT, SERVICES, services, sources

ROLES = ("__init__", "__main__", "settings", "wiring", "handlers", "domain", "store", "metrics")
MAIN_LINES = 20
SAYS_WHAT = ("Decides", "Hears", "Says", "Owns")

CATALOGUES = [
    pytest.param("executor", "agents", "name", set(AGENTS), id="agents"),
    pytest.param("checker", "checks", "kind", set(CHECKS), id="checks"),
    pytest.param("planner", "planners", "name", set(PLANNERS), id="planners"),
]


def test_the_package_is_this_repositorys() -> None:
    assert Path(shared.__file__).parent == ROOT / "shared"


@pytest.mark.parametrize("folder", services(), ids=lambda folder: folder.name)
def test_a_service_has_the_same_files_for_the_same_roles(folder: Path) -> None:
    assert [role for role in ROLES if not (folder / f"{role}.py").is_file() and not (folder / role / "__init__.py").is_file()] == []
    assert len((folder / "__main__.py").read_text().splitlines()) <= MAIN_LINES


@pytest.mark.parametrize("folder", services(), ids=lambda folder: folder.name)
def test_a_service_says_what_it_is_for(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    assert [word for word in SAYS_WHAT if word.lower() not in docstring.lower()] == []


def test_the_services_are_the_five_and_no_more() -> None:
    assert {path.name for path in (ROOT / "services").iterdir() if path.is_dir() and path.name != "__pycache__"} == set(SERVICES)


@pytest.mark.parametrize(("service", "folder", "attribute", "catalogue"), CATALOGUES)
def test_the_catalogue_names_what_is_in_the_folder(service: str, folder: str, attribute: str, catalogue: set[str]) -> None:
    """A class of the folder that says `name = "…"` is one entry."""
    within = ROOT / "services" / service / folder
    found = {
        statement.value.value
        for source in sources()
        if within in source.path.parents
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant) and _name(statement) == attribute
    }
    assert found == catalogue


def _name(statement: ast.Assign) -> str:
    target = statement.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def test_nothing_is_built_at_import() -> None:
    """Clients, settings and registries belong into wiring."""
    built = {"AsyncMongoClient", "CollectorRegistry", "CommonSettings", "RabbitBroker", "MongoDatabase", "OpenAI", "AsyncOpenAI"}
    found = [
        f"{source.name}: {node.func.id}"
        for source in sources()
        for statement in source.tree.body
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr))
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (node.func.id in built or node.func.id.endswith("Settings"))
    ]
    assert found == []


def test_every_module_can_be_imported() -> None:
    for source in sources():
        if source.path.relative_to(ROOT).parts[0] in ("services", "shared") and source.path.stem != "__main__":
            import_module(".".join(source.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))

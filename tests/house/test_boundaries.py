"""Who may use what, where import-linter cannot say it, and what must not stand in any file."""

import re

import pytest

from tests.house.sources import ROOT, sources, tracked

ONLY = [
    pytest.param("aio_pika", ("shared/messaging/", "examples/publish_event.py"), id="aio_pika"),
    pytest.param("aiormq", ("shared/messaging/",), id="aiormq"),
    pytest.param("pymongo", ("shared/storage/", "taskgrove/local/mongod.py"), id="pymongo"),
    pytest.param("bson", ("shared/storage/",), id="bson"),
    pytest.param("fastapi", ("services/approvals/",), id="fastapi"),
    pytest.param("uvicorn", ("shared/http.py",), id="uvicorn"),
    pytest.param("typer", ("taskgrove/cli/", "scripts/docs/commands.py"), id="typer"),
]

# Written so that this file does not contain what it looks for.
MACHINE_PATH = re.compile(r"(^|[^\w./-])/(wor[k]|roo[t]|hom[e]/\w+|Us[e]rs/\w+|far[m])/")
REGISTRY = re.compile(
    r"(pyp[i]\.org|pythonhost[e]d\.org|npmj[s]\.org|regist[r]y\.\w+\.\w+|artif[a]ctory|(?<!emit-)ind[e]x-url|nex[u]s/repository)",
    re.IGNORECASE,
)
AUTHOR = re.compile(
    r"(cl[a]ude|anthrop[i]c|chatg[p]t|cop[i]lot|co-auth[o]red-by|generated (by|with) (an? )?(ai|llm|model|assist))", re.IGNORECASE
)
UNFINISHED = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|NotImplementedErro[r])\b")
FORBIDDEN = [
    pytest.param(MACHINE_PATH, id="paths of a machine"),
    pytest.param(REGISTRY, id="hosts of a registry"),
    pytest.param(AUTHOR, id="who wrote it"),
]
ALLOWED = {"LICENSE"}


@pytest.mark.parametrize(("package", "places"), ONLY)
def test_a_package_is_used_in_its_place_only(package: str, places: tuple[str, ...]) -> None:
    users = [source.name for source in sources() if package in source.imports() and not source.name.startswith(("benchmarks/", *places))]
    assert users == []


def test_domains_are_pure() -> None:
    """No waiting, no clock, no ids, no logs, no randomness: the same input gives the same answer."""
    impure = {"asyncio", "time", "random", "secrets", "uuid", "uuid_utils", "structlog", "logging", "os", "subprocess"}
    domains = [
        source
        for source in sources()
        if source.name.startswith("services/") and "domain" in source.path.relative_to(ROOT).with_suffix("").parts
    ]
    assert domains
    assert {source.name: used for source in domains if (used := source.imports() & impure)} == {}
    assert [
        source.name for source in domains if "async def" in source.text or "datetime.now" in source.text or "new_id" in source.text
    ] == []


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_what_must_not_stand_in_any_file(pattern: re.Pattern[str]) -> None:
    found = []
    for path in tracked():
        name = str(path.relative_to(ROOT))
        if name not in ALLOWED:
            text = path.read_bytes().decode("utf-8", "ignore")
            found += [f"{name}:{number}: {line.strip()[:120]}" for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    assert found == []


def test_nothing_is_left_unfinished() -> None:
    assert [f"{source.name}: {line.strip()}" for source in sources() for line in source.text.splitlines() if UNFINISHED.search(line)] == []


def test_no_text_file_has_windows_ends_or_a_blank_end() -> None:
    texts = [path for path in tracked() if path.suffix in (".py", ".md", ".toml", ".json", ".yaml", ".yml", ".txt")]
    assert [str(path.relative_to(ROOT)) for path in texts if b"\r\n" in path.read_bytes()] == []
    assert [str(path.relative_to(ROOT)) for path in texts if path.suffix == ".py" and path.read_bytes().endswith(b"\n\n")] == []


def test_nothing_large_is_committed() -> None:
    assert [f"{path.relative_to(ROOT)}: {size}" for path in tracked() if (size := path.stat().st_size) > 1024 * 1024] == []

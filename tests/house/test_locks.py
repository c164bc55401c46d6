"""Everything that is fetched is locked, and one command locks it anew."""

import re
from pathlib import Path

import pytest

from tests.house.sources import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
FETCHING = [
    ROOT / "Makefile",
    ROOT / "Dockerfile",
    *(path for path in (ROOT / "scripts").iterdir() if path.is_file()),
    *(ROOT / ".ci").iterdir(),
]
NPM_LOCKS = sorted((ROOT / "scripts").glob("*/node/package-lock.json"))


def test_make_lock_writes_every_requirements_file() -> None:
    recipe = MAKEFILE.partition("\nlock:")[2].partition("\n\n")[0]
    extras = re.search(r"^EXTRAS := (.+)$", MAKEFILE, re.MULTILINE)
    assert extras
    written = {name for out in re.findall(r"-o (requirements/\S+?\.txt)", recipe) for name in _each(out, extras[1].split())}
    assert written == {str(path.relative_to(ROOT)) for path in (ROOT / "requirements").glob("*.txt")}


def _each(out: str, extras: list[str]) -> list[str]:
    return [out.replace("$$extra", extra) for extra in extras] if "$$extra" in out else [out]


def test_what_npm_installs_is_locked() -> None:
    """`npm ci` takes what the lock says and refuses to go without one; `npm install` takes what it likes."""
    said = [
        line
        for path in FETCHING
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bnpm (ci|i|install|add)\b", line)
    ]
    assert said
    assert [line for line in said if "npm ci --prefix scripts/$*/node " not in line] == []
    asked = set(re.findall(r"^\w+ := (scripts/\w+/node)/node_modules/\.package-lock\.json$", MAKEFILE, re.MULTILINE))
    assert asked == {str(path.parent.relative_to(ROOT)) for path in NPM_LOCKS}


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: lock.parts[-3])
def test_a_lock_names_no_address(lock: Path) -> None:
    assert '"resolved"' not in lock.read_text(encoding="utf-8")

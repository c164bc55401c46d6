"""What is not there is skipped on a laptop and fails in CI: a green CI has looked at the dashboard, the alerts and the documents."""

import re
from pathlib import Path

import pytest

from tests.house.sources import ROOT, tracked
from tests.needs import HELP, STRICT, needed

# It tries what is in an image.
ELSEWHERE = {"tests/containers/test_images.py"}


@pytest.mark.parametrize("program", HELP)
def test_without_it_a_laptop_skips_and_ci_fails(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("TASKGROVE_TEST_CHROMIUM", raising=False)
    monkeypatch.delenv(STRICT, raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"NOT CHECKED: {program} is missing; .*install"):
        needed(program)
    monkeypatch.setenv(STRICT, "1")
    with pytest.raises(pytest.fail.Exception, match=f"NOT CHECKED: {program} is missing; .*{STRICT}"):
        needed(program)


def test_what_is_there_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "promtool").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert needed("promtool") == str(tmp_path / "promtool")
    monkeypatch.setenv("TASKGROVE_TEST_CHROMIUM", "elsewhere/chromium")
    assert needed("chromium") == "elsewhere/chromium"


def test_programs_are_looked_for_in_one_place() -> None:
    looks = re.compile(r"shutil\.which\(")
    tests = {str(path.relative_to(ROOT)): path for path in tracked() if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")}
    own = {"tests/needs.py", "tests/house/test_needs.py"}
    assert {name for name, path in tests.items() if looks.search(path.read_text())} - own == ELSEWHERE


def test_ci_is_strict() -> None:
    assert f"export {STRICT}=1\n" in (ROOT / ".ci/run").read_text()

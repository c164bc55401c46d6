"""The shipped example, as its users run it: on a small project that is sound, on the same with errors in it, and without approval."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.plan import RunOptions
from taskgrove.cli.planning import Planned, plan_paths

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "release-audit"
SECONDS = 120

FILES = {
    "pyproject.toml": """\
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"

        [project]
        name = "tiny"
        version = "1.0"
        dependencies = ["packaging>=20"]

        [project.scripts]
        tiny = "tiny.cli:main"

        [tool.ruff.lint]
        select = ["D100", "F"]

        [tool.mypy]
        strict = true
        """,
    "requirements.txt": "packaging==26.0 \\\n    --hash=sha256:" + "0" * 64 + "\n",
    "README.md": "# Tiny\n\nSee [the code](tiny/cli.py).\n\n```sh\nmake greet\ntiny --name you\n```\n",
    "Makefile": "greet:\n\ttrue\n",
    "tiny/__init__.py": '"""Greets."""\n',
    "tiny/cli.py": '''\
        """The command."""

        from argparse import ArgumentParser


        def main() -> None:
            """Greet somebody."""
            parser = ArgumentParser()
            parser.add_argument("--name", default="world")
            print("Hello,", parser.parse_args().name)
        ''',
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project on which every audit has something to judge, and nothing to say."""
    for name, text in FILES.items():
        file = tmp_path / "tiny" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(line.removeprefix("        ") for line in text.splitlines(keepends=True)))
    return tmp_path / "tiny"


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def audit(tree: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and what the run says of itself; its files lie beside the tree, in `out`."""
    command = [sys.executable, "-m", "taskgrove.cli.main", "run", "--in-memory", "--json", "--notes", str(EXAMPLE)]
    argv = [*command, "--input", f"source={tree}", "--out", str(tree.parent / "out"), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def reported(tree: Path) -> dict[str, Any]:
    """What was published, by audit."""
    report = json.loads((tree.parent / "out" / "published" / "report.json").read_text())
    return {one["audit"]: one for one in report["audits"]} | {"verdict": report["verdict"]}


@pytest.fixture(scope="module")
def planned() -> Planned:
    return plan_paths([EXAMPLE], prompt="", options=RunOptions())


def test_it_is_real_work_in_three_levels_with_a_check_on_every_task(planned: Planned) -> None:
    levels = list(planned.levels())
    tasks = [task for level in levels for task in level.tasks if not task.subtasks]
    assert len(tasks) >= 12
    assert max(len(level.path) + 1 for level in levels) == 3
    assert all(task.checks for task in tasks)
    assert [task.title for task in tasks if task.checkpoint] == ["Publish"]
    assert planned.plan.title == "Release audit"


def test_nothing_about_its_plan_is_odd(planned: Planned) -> None:
    assert planned.findings == ()


def test_a_sound_project_is_published_with_its_hashes(tree: Path) -> None:
    status, run = audit(tree, "--approve-as", "demo")
    assert (status, [one["why"] for one in run["failed"]]) == (0, [])
    audits = reported(tree)
    assert audits.pop("verdict") == "ready: no audit found anything against it"
    assert {one["state"] for one in audits.values()} == {"verified"}, audits
    assert audits["Documentation / Commands"]["figures"]["helps_asked"] == 1
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tree.parent / "out" / "published", check=True)


def test_what_is_wrong_is_in_the_report_and_in_the_exit_status(tree: Path) -> None:
    append(tree / "tiny" / "cli.py", "\n\nprint(undefined_name)\n")
    append(tree / "README.md", "\n[gone](docs/gone.md)\n\n```sh\nmake tea\n```\n")
    status, run = audit(tree, "--approve-as", "demo")
    assert status == 1
    audits = reported(tree)
    assert {one["title"] for one in run["failed"]} >= {"Lint", "Types", "Trial installation", "Links", "Commands"}
    assert audits["Quality / Lint"]["findings"] == ["tiny/cli.py:13: F821 Undefined name `undefined_name`"]
    assert audits["Documentation / Links"]["findings"] == ["README.md: there is no docs/gone.md"]
    assert audits["Documentation / Commands"]["findings"] == [
        "README.md: `tiny --help` ends with exit status 1 (in `tiny --name you`)",
        "README.md: make has no target tea (in `make tea`)",
    ]
    assert audits["Build / Distributions / Wheel"]["state"] == "verified"
    assert audits["verdict"].startswith("not ready: Build / Trial installation")
    assert "F821" in (tree.parent / "out" / "published" / "report.md").read_text()


def test_nothing_is_published_without_approval(tree: Path) -> None:
    status, run = audit(tree)
    assert status == 3
    assert [(one["question"], one["approvers"]) for one in run["waitsFor"]] == [("May 'Publish' start?", ["release"])]
    assert not (tree.parent / "out" / "published").exists()

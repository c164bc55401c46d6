"""A package that is installed beside the house: its planner, agent and check are used by a run. It is the one that the guide shows."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "plug-ins.md"
RUN = [sys.executable, "-m", "taskgrove.cli.main", "run", "--in-memory", "--json"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder that the package is installed in."""
    text = GUIDE.read_text(encoding="utf-8")
    (tmp_path / "site" / "poems").mkdir(parents=True)
    for name, code in re.findall(r"`(poems/\w+\.py)`[^\n]*\n\n```python\n(.*?)```", text, re.DOTALL):
        (tmp_path / "site" / name).write_text(code)
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    offer(tmp_path / "site", tomllib.loads(toml)["project"]["entry-points"])
    return tmp_path / "site"


def offer(site: Path, points: dict[str, dict[str, str]]) -> None:
    """Write down what the package offers, as pip does."""
    about = site / "poems-1.0.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: poems\nVersion: 1.0\n")
    groups = [f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items()) for group, named in points.items()]
    (about / "entry_points.txt").write_text("\n".join(groups))


def run(site: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run([*RUN, *args], capture_output=True, text=True, timeout=60, check=False, env=env)


def test_a_run_uses_planner_agent_and_check_of_another_package(site: Path) -> None:
    done = run(site, "--planner", "poems", "--prompt", "the sea\nthe wind")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["status"], report["verified"], report["unchecked"]) == ("Completed", 2, [])


def test_notes_hand_a_task_to_an_agent_of_another_package(site: Path, tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text("# A poem\n- agent: poet\n- check-file: poem.txt\n")
    done = run(site, "--notes", str(tmp_path / "n.md"))
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "Completed"), done.stderr


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"inputs": {"abuot": "x"}}, "inputs.abuot for agent 'poet'"),
        ({"agent": "poets"}, "there is no agent 'poets'; did you mean `poet`? (what another package brings must be installed"),
        ({"checks": [{"kind": "lines", "path": "poem.txt", "least": 0}]}, "check 'lines': least: "),
        ({"checks": [{"kind": "lines", "path": "poem.txt", "least": 4}]}, "lines: poem.txt: poem.txt has 3 lines"),
    ],
)
def test_what_it_says_of_them_holds(site: Path, tmp_path: Path, task: dict[str, Any], says: str) -> None:
    plan = {"title": "Poems", "tasks": [{"key": "a", "title": "A poem", "agent": "poet", "retries": 0, "onFailure": "fail", **task}]}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = run(site, "--planner", "import", "--notes", str(tmp_path / "plan.json"))
    assert done.returncode != 0
    assert says in done.stdout.replace("\\n", " ") + done.stderr


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ({"taskgrove.agents": {"poet": "poems.poet:Poet"}}, "the agent 'poet' is described nowhere"),
        ({"taskgrove.catalogue.checks": {"lines": "poems.catalogue:LinesCheck"}}, "the check 'lines' is described, and nobody does"),
        ({"taskgrove.catalogue.agents": {"shell": "poems.catalogue:POET"}}, "takes the name 'shell', which another has"),
        ({"taskgrove.catalogue.agents": {"poet": "poems.catalogue:NOBODY"}}, "the taskgrove.catalogue.agents 'poet', cannot be loaded"),
        ({"taskgrove.catalogue.checks": {"lines": "poems.catalogue:POET"}}, "the taskgrove.catalogue.checks 'lines', describes none"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(site: Path, tmp_path: Path, points: dict[str, dict[str, str]], says: str) -> None:
    offer(site, points)
    (tmp_path / "n.md").write_text("# Say it\n```sh\necho hello\n```\n")
    done = run(site, "--notes", str(tmp_path / "n.md"))
    assert done.returncode != 0
    assert says in done.stdout + done.stderr

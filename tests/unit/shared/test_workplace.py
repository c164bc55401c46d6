"""Directories of processes that share one: each has its own, and only those of the dead are removed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.errors import BadInput
from shared.workplace import Workplace

KILLED = """
import os, sys
from pathlib import Path
from shared.workplace import Workplace
left = Workplace(Path(sys.argv[1]), "executor").directory("run.1_1")
left.mkdir()
(left / "file").write_text("x")
print(left, flush=True)
os._exit(9)
"""


def killed(root: Path) -> Path:
    """What a process left that had no time to clean up."""
    ended = subprocess.run([sys.executable, "-c", KILLED, str(root)], capture_output=True, text=True, check=False)
    assert ended.returncode == 9, ended.stderr
    left = Path(ended.stdout.strip())
    assert (left / "file").exists()
    return left


def gone(path: Path) -> bool:
    for _ in range(500):
        if not path.exists():
            return True
        time.sleep(0.01)
    return False


def test_only_what_the_dead_left_is_removed(tmp_path: Path) -> None:
    left = killed(tmp_path)
    living, other = Workplace(tmp_path, "executor"), Workplace(tmp_path, "checker")
    for place in (living, other):
        place.directory("run.2_1").mkdir()
    assert gone(left.parent.with_name(left.parent.name + ".lock"))
    assert not left.parent.exists()
    Workplace(tmp_path, "executor").clear()
    assert living.directory("run.2_1").exists(), "it lives"
    assert other.directory("run.2_1").exists()
    living.close()
    other.close()
    assert [*tmp_path.iterdir()] == []


def test_nothing_is_made_before_it_is_asked_for_and_all_is_in_one_place(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "work", "executor")
    place.clear()
    place.close()
    assert [*tmp_path.iterdir()] == []
    assert place.directory("a").parent == place.directory("b").parent
    assert not place.directory("a").exists()
    place.close()
    assert [*tmp_path.iterdir()] == [tmp_path / "work"]


def test_what_a_stranger_put_there_stays(tmp_path: Path) -> None:
    (tmp_path / "executor-mine").mkdir()
    (tmp_path / "notes.lock").write_text("")
    Workplace(tmp_path, "executor").clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["executor-mine", "notes.lock"]


def test_a_place_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/work cannot be made: Not a directory"):
        Workplace(tmp_path / "file" / "work", "executor").directory("a")

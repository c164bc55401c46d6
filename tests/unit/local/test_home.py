"""The data directory: private, whole at any moment, held by one, and refused when it is full."""

import json
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.errors import AlreadyRunning, BadInput
from taskgrove.local.home import Home, admin_keys, default_home, lock, prepare, rotate_logs, write_atomically


class Usage(NamedTuple):
    """What shutil.disk_usage returns."""

    total: int
    used: int
    free: int


def test_default_home_is_taskgrove_home_then_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.delenv("TASKGROVE_HOME", raising=False)
    assert default_home() == Path("/data/taskgrove")
    monkeypatch.setenv("TASKGROVE_HOME", "/elsewhere")
    assert default_home() == Path("/elsewhere")


def test_the_directory_is_its_owners_alone(tmp_path: Path) -> None:
    home = prepare(tmp_path / "deep" / "home")
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


def test_a_nearly_full_disk_is_refused_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9, 50 * 2**20))
    with pytest.raises(BadInput, match=r"50 MB free; 200 MB are needed(.|\n)*TASKGROVE_HOME"):
        prepare(tmp_path)


def test_what_cannot_be_written_is_said_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"Cannot write .*file.*TASKGROVE_HOME"):
        prepare(tmp_path / "file")


def test_a_second_holder_is_refused_and_told_whom_to_end(tmp_path: Path) -> None:
    home = prepare(tmp_path)
    held = lock(home, holder=None)
    with pytest.raises(AlreadyRunning, match=r"process 4711.*taskgrove down"):
        lock(home, holder=4711)
    held.release()
    lock(home, holder=None).release()


def test_keys_are_made_once_and_secret(tmp_path: Path) -> None:
    home = prepare(tmp_path)
    first = admin_keys(home).read_text()
    assert admin_keys(home).read_text() == first
    assert json.loads(first)[0]["roles"] == ["admin"]
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_text(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    write_atomically(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(target, "\ud800")
    assert target.read_text() == "old"


def test_logs_begin_anew_and_three_old_ones_stay(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "logs").mkdir()
    for start in range(6):
        rotate_logs(home)
        home.log("planner").write_text(str(start))
    assert {file.name: file.read_text() for file in (tmp_path / "logs").iterdir()} == {
        "planner.log": "5",
        "planner.log.1": "4",
        "planner.log.2": "3",
        "planner.log.3": "2",
    }

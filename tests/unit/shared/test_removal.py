"""Trees that programs left are removed, whatever their depth and the rights of their folders; no link out of them is followed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.removal import remove_tree

NOBODY = 65_534


@contextmanager
def an_ordinary_user(path: Path) -> Iterator[None]:
    """Whom rights bind; it is in `path`, which is its own."""
    before = Path.cwd()
    os.chdir(path)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", str(NOBODY), "."], check=True)
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
            os.chdir(before)
    else:
        yield
        os.chdir(before)


def test_folders_that_may_not_be_written_go_as_well(tmp_path: Path) -> None:
    for mode, name in ((0o555, "read"), (0o000, "closed"), (0o500, "own")):
        inner = tmp_path / "tree" / name / "inner"
        inner.mkdir(parents=True)
        (inner / "file").write_text("x")
        inner.chmod(mode)
        inner.parent.chmod(mode)
    (tmp_path / "tree").chmod(0o555)
    with an_ordinary_user(tmp_path):
        with pytest.raises(PermissionError):
            shutil.rmtree("tree")
        remove_tree(Path("tree"))
    assert [*tmp_path.iterdir()] == []


def deepen(path: Path, *, levels: int, name: str) -> None:
    """Level by level: no system takes such a path as a whole."""
    here = os.open(path, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        os.close(here)
        here = below
    os.close(here)


@pytest.mark.parametrize(("levels", "name"), [(3_000, "d"), (100, "d" * 200)])
def test_no_depth_is_too_deep(tmp_path: Path, levels: int, name: str) -> None:
    tree = tmp_path / "tree"
    (tree / "wide" / name).mkdir(parents=True)
    deepen(tree, levels=levels, name=name)
    remove_tree(tree)
    assert not tree.exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "file").write_text("x")
    (tmp_path / "others").chmod(0o555)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "folder").symlink_to(tmp_path / "others")
    (tmp_path / "tree" / "file").symlink_to(tmp_path / "others" / "file")
    (tmp_path / "link").symlink_to(tmp_path / "others")
    remove_tree(tmp_path / "tree")
    with capture_logs() as logs:
        remove_tree(tmp_path / "link")
    assert [line["event"] for line in logs] == ["directory.left"]
    assert (tmp_path / "others" / "file").read_text() == "x"
    assert (tmp_path / "others").stat().st_mode & 0o777 == 0o555


def test_what_is_left_is_said_and_what_is_not_there_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "tree" / "of-another").mkdir(parents=True)
    (tmp_path / "tree" / "mine").write_text("x")
    (tmp_path / "tree" / "of-another" / "file").write_text("x")
    with an_ordinary_user(tmp_path), capture_logs() as logs:
        remove_tree(Path("missing"))
        assert logs == []
        Path().chmod(0o555)
        remove_tree(Path("tree"))
    (line,) = logs
    assert (line["event"], line["path"], line["problems"]) == ("directory.left", "tree", 1)
    assert "Permission denied" in line["error"]

"""Reading notes: which files are taken, and what is refused before anything is started."""

from pathlib import Path

import pytest

from shared.errors import BadInput, LimitExceeded
from taskgrove.cli.notes import MOST_BYTES, read_notes


def write(path: Path, content: bytes = b"# A\n") -> Path:
    path.write_bytes(content)
    return path


def test_of_a_directory_the_markdown_is_taken_sorted_and_without_a_readme(tmp_path: Path) -> None:
    for name in ("b.md", "a.MD", "README.md", "c.txt", "d.json"):
        write(tmp_path / name)
    (tmp_path / "below").mkdir()
    write(tmp_path / "below" / "e.md")
    assert [Path(notes.name).name for notes in read_notes([tmp_path], planner="outline")] == ["a.MD", "b.md"]
    assert [Path(notes.name).name for notes in read_notes([tmp_path], planner="import")] == ["d.json"]


def test_a_file_is_taken_as_it_is_and_only_once(tmp_path: Path) -> None:
    file = write(tmp_path / "notes.txt", "\ufeff# Überschrift\n".encode())
    found = read_notes([file, tmp_path / "." / "notes.txt"], planner="outline")
    assert [(notes.name, notes.text) for notes in found] == [(str(file), "# Überschrift\n")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this file is empty"),
        (b" \n\t\n", "this file is empty"),
        (b"ab\0c", "this is a binary file"),
        (b"ok\nstill ok\nbad \xff\n", r"notes\.md:3: this is not UTF-8 \(byte 0xff\)"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_notes([write(tmp_path / "notes.md", content)], planner="outline")


def test_a_missing_file_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path / "release.md")
    with pytest.raises(BadInput, match=r"relaese\.md: there is no such file; in .* there are: release\.md"):
        read_notes([tmp_path / "relaese.md"], planner="outline")


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there are no notes in this directory"):
        read_notes([tmp_path], planner="outline")


def test_a_device_is_refused() -> None:
    with pytest.raises(BadInput, match="no ordinary file"):
        read_notes([Path("/dev/null")], planner="outline")


def test_more_than_a_run_may_have_is_refused_without_reading_it(tmp_path: Path) -> None:
    large = tmp_path / "large.md"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(LimitExceeded, match=r"large\.md: the notes have 4\.0 MiB"):
        read_notes([large], planner="outline")

"""Reads the notes that are given on the command line, and refuses what cannot be notes before anything is started."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from shared.contracts.plan import NotesFile
from shared.errors import BadInput, LimitExceeded
from taskgrove.cli.text import size

SUFFIXES = {"outline": (".md", ".markdown"), "model": (".md", ".markdown", ".txt"), "import": (".json",)}
MOST_BYTES = 4 * 1024 * 1024
"""What one run may have in notes; the services refuse more as well."""
MOST_NAME = 400


def read_notes(paths: Sequence[Path], *, planner: str) -> tuple[NotesFile, ...]:
    """The files, each once; of a directory those that the planner reads, sorted. Raises BadInput or LimitExceeded."""
    files: dict[Path, Path] = {}
    for path in paths:
        for file in _files(path, planner):
            files.setdefault(file.resolve(), file)
    _refuse_large(files.values())
    return tuple(_read(file) for file in files.values())


def _files(path: Path, planner: str) -> list[Path]:
    if path.is_dir():
        return _of_directory(path, SUFFIXES.get(planner, (".md",)))
    if not path.exists():
        near = ", ".join(sorted(one.name for one in path.parent.glob("*.md"))[:5]) if path.parent.is_dir() else ""
        raise BadInput(f"{path}: there is no such file" + (f"; in {path.parent} there are: {near}" if near else ""))
    if not path.is_file():
        raise BadInput(f"{path}: this is no ordinary file; give a file of notes, or a directory of them")
    return [path]


def _of_directory(path: Path, suffixes: Sequence[str]) -> list[Path]:
    found = sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() in suffixes and file.stem.lower() != "readme")
    if not found:
        raise BadInput(f"{path}: there are no notes in this directory; put *{suffixes[0]} files into it (no README), or name a file")
    return found


def _refuse_large(files: Iterable[Path]) -> None:
    sizes = {file: file.stat().st_size for file in files}
    if sum(sizes.values()) > MOST_BYTES:
        largest = max(sizes, key=lambda file: sizes[file])
        raise LimitExceeded(
            f"{largest}: the notes have {size(sum(sizes.values()))}, and one run may have {size(MOST_BYTES)}; "
            f"this file has {size(sizes[largest])} of them. Split the run, or leave files out"
        )


def _read(file: Path) -> NotesFile:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: this cannot be read: {error.strerror}; allow it, or name another file") from error
    if b"\0" in content:
        raise BadInput(f"{file}: this is a binary file, not text; give notes as UTF-8 text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{file}:{line}: this is not UTF-8 (byte {content[error.start]:#04x}); save the file as UTF-8") from error
    if not text.strip():
        raise BadInput(f"{file}: this file is empty; write into it what is to be done, or leave it out")
    return NotesFile(name=str(file)[-MOST_NAME:], text=text)

"""Removing a tree that programs left which we did not write: read-only folders, and any depth of them.

`shutil.rmtree` leaves both: it gives up on a folder that may not be written, and goes down one call and one open file a level.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import structlog

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
OURS = stat.S_IRWXU

log = structlog.get_logger()


def remove_tree(path: Path) -> None:
    """Remove the directory with all that is in it; no link is followed. What cannot be removed is logged, and nothing is raised."""
    problems: list[OSError] = []
    try:
        _open_up(path)
        root = os.open(path, FOLDER)
        try:
            _empty(root, problems)
        finally:
            os.close(root)
        Path(path).rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        first = problems[0] if problems else error
        log.warning("directory.left", path=str(path), error=str(first), problems=len(problems) or 1, help="remove it by hand")


def _empty(root: int, problems: list[OSError]) -> None:
    """Folders are moved up to the root as they are found: so neither their depth nor the length of a path is a matter."""
    names = map(f"{secrets.token_hex(8)}-{{}}".format, count())
    waiting = list(_folders(root, root, names, problems=problems))
    while waiting:
        name = waiting.pop()
        try:
            folder = os.open(name, FOLDER, dir_fd=root)
            try:
                waiting += _folders(folder, root, names, problems=problems)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=root)
        except OSError as error:
            problems.append(error)


def _folders(folder: int, root: int, names: Iterator[str], *, problems: list[OSError]) -> Iterator[str]:
    """Remove the files, move the folders up to the root; the names that they have there."""
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                _open_up(entry.name, folder)
                name = next(names)
                os.rename(entry.name, name, src_dir_fd=folder, dst_dir_fd=root)
                yield name
            else:
                os.unlink(entry.name, dir_fd=folder)
        except OSError as error:
            problems.append(error)


def _open_up(name: str | Path, folder: int | None = None) -> None:
    """A folder that its owner may not write can neither be emptied nor moved."""
    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode) and mode & OURS != OURS:
        os.chmod(name, stat.S_IMODE(mode) | OURS, dir_fd=folder)

"""The directory of one attempt, as the model's tools see it: relative names only, and nothing that leads out of it."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath

from shared.artifacts.disk import AWAY, refused
from shared.errors import BadInput

INPUTS = "inputs"
LONGEST_NAME = 1_000
FARTHEST = 2**62
MOST_WRITTEN = 2**20
MOST_LISTED = 500
MOST_SEEN = 100_000
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# Without waiting: to open a pipe that a command left would otherwise block for ever.
FILE = os.O_NOFOLLOW | os.O_NONBLOCK
RUNNABLE = 0o755


class Workspace:
    """Files below `root`. Each part of a name is opened in its folder and no link is followed, whatever a command has left there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str, *, offset: int, most: int) -> tuple[bytes, int]:
        """At most `most` bytes from `offset` on, and the size of the file. Raises BadInput."""
        with self._opened(name, os.O_RDONLY) as file:
            return os.pread(file, most, min(offset, FARTHEST)), os.fstat(file).st_size

    def write(self, name: str, content: bytes, *, append: bool) -> int:
        """Write the file, or add to it; its size then. Folders are made. Raises BadInput."""
        if _parts(name)[0] == INPUTS:
            raise BadInput(f"{INPUTS}/ is what other tasks left, only to be read; write elsewhere")
        with self._opened(name, os.O_RDWR | os.O_CREAT, make=True) as file:
            start = os.fstat(file).st_size if append else 0
            if start + len(content) > MOST_WRITTEN:
                raise BadInput(f"{name} would be larger than the {MOST_WRITTEN} bytes that can be written here; make it with a command")
            os.ftruncate(file, start)
            os.lseek(file, start, os.SEEK_SET)
            _write_all(file, content)
            if content.startswith(b"#!") and not start:
                os.fchmod(file, RUNNABLE)
            return start + len(content)

    def list(self, name: str) -> tuple[list[tuple[str, int]], int]:
        """The first files below a folder with their bytes, and how many more there are, as far as they are counted. Raises BadInput."""
        with _problems(name), self._folder(_parts(name, root=True)) as top:
            files = list(islice(_below(top), MOST_SEEN))
        return [(_shown(PurePosixPath(name) / file), size) for file, size in files[:MOST_LISTED]], max(0, len(files) - MOST_LISTED)

    @contextmanager
    def _opened(self, name: str, flags: int, *, make: bool = False) -> Iterator[int]:
        """A regular file of our own: no link, no pipe, no device, and no second name of something else."""
        parts = _parts(name)
        with _problems(name), self._folder(parts[:-1], make=make) as folder:
            file = os.open(parts[-1], flags | FILE, 0o644, dir_fd=folder)
            try:
                status = os.fstat(file)
                if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                    raise BadInput(f"{name} is no plain file (but a folder, a link or a device), and is not touched")
                yield file
            finally:
                os.close(file)

    @contextmanager
    def _folder(self, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        folder = os.open(self._root, FOLDER)
        try:
            for part in parts:
                if make:
                    _make(part, folder)
                below = os.open(part, FOLDER, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)


def _below(top: int) -> Iterator[tuple[PurePosixPath, int]]:
    """The plain files, folder by folder; links are left out."""
    for folder, folders, files, handle in os.fwalk(".", dir_fd=top, follow_symlinks=False):
        folders.sort()
        for file in sorted(files):
            status = os.stat(file, dir_fd=handle, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                yield PurePosixPath(folder) / file, status.st_size


def _parts(name: str, *, root: bool = False) -> tuple[str, ...]:
    """The parts of a name. Raises BadInput for one that could lead out."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(f"{name[:100]!r} cannot be used: give a name relative to your directory, without '..'")
    if not path.parts and not root:
        raise BadInput("that is your directory itself: name a file in it")
    return path.parts


def _make(part: str, folder: int) -> None:
    try:
        os.mkdir(part, dir_fd=folder)
    except FileExistsError:
        return


@contextmanager
def _problems(name: str) -> Iterator[None]:
    """What the system says, in words that the model can act on. A full disk is no fault of the task: StoreUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in AWAY:
            raise refused(error, name) from error
        raise BadInput(_why(name, error)) from error


def _why(name: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no {name}; list_files shows what there is"
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return f"{name}: a part of it is a link or no folder, and links are not followed"
    return f"{name}: {os.strerror(error.errno or 0)}"


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _shown(path: PurePosixPath) -> str:
    return path.as_posix().encode(errors="replace").decode()

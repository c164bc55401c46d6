"""Finding the files that a task left, and keeping them."""

import asyncio
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.artifacts.store import ArtifactStore
from shared.contracts.executor import Artifact
from shared.errors import BadInput, LimitExceeded
from shared.globs import ANY_DEPTH, matching, names_hidden

INPUTS = "inputs"
CACHE = "__pycache__"
AT_ONCE = 8
MOST_SEEN = 200_000
MOST_LEVELS = 200  # well before the system's longest path, and Python's deepest recursion
HINT = "name what to keep with `outputs:` in the notes"


class File(NamedTuple):
    """A file below a directory: its relative name, where it really is, and its bytes."""

    name: str
    path: Path
    size: int


async def collect(
    directory: Path, *, patterns: Sequence[str], store: ArtifactStore, most_files: int = 500, most_bytes: int = 256 * 2**20
) -> tuple[Artifact, ...]:
    """Keep the files below `directory` that match `patterns`, or all of them; never its inputs, caches, hidden files or what lies outside.

    Raises LimitExceeded, before anything is kept, when they are too many or too large.
    """
    found = await asyncio.to_thread(_found, directory, patterns or (ANY_DEPTH,))
    total = sum(file.size for file in found)
    if len(found) > most_files:
        raise LimitExceeded(f"the task left {len(found)} files, more than the {most_files} that are kept; {HINT}")
    if total > most_bytes:
        raise LimitExceeded(f"the task left {total} bytes of files, more than the {most_bytes} that are kept; {HINT}")
    gate = asyncio.Semaphore(AT_ONCE)

    async def keep(file: File) -> Artifact:
        async with gate:
            return await store.put_file(file.path, name=file.name)

    return tuple(await asyncio.gather(*map(keep, found)))


def files_in(directory: Path, *, hidden: bool = False) -> Iterator[File]:
    """The regular files below, sorted by directory, without inputs and caches; of symbolic links those that stay inside.

    Raises LimitExceeded for folders in too many levels.
    """
    root = directory.resolve()
    for folder, folders, files in os.walk(root):
        below = Path(folder).relative_to(root)
        if len(below.parts) > MOST_LEVELS:
            raise LimitExceeded(
                f"there are folders in more than {MOST_LEVELS} levels: {'/'.join(below.parts[:3])[:200]}/…; pack or remove them"
            )
        folders[:] = sorted(name for name in folders if _entered(below / name, hidden=hidden))
        for name in sorted(files):
            target, size = _regular(Path(folder) / name)
            if size is not None and target.is_relative_to(root):
                yield File(_utf8((below / name).as_posix()), target, size)


def _found(directory: Path, patterns: Sequence[str]) -> list[File]:
    hidden = any(names_hidden(pattern) for pattern in patterns)
    files: dict[str, File] = {}
    for file in files_in(directory, hidden=hidden):
        files[file.name] = file
        if len(files) > MOST_SEEN:
            raise LimitExceeded(f"the task left more than {MOST_SEEN} files; let it clean up behind itself")
    return [files[name] for name in matching(files, patterns)]


def _entered(folder: Path, *, hidden: bool) -> bool:
    return folder.as_posix() != INPUTS and folder.name != CACHE and (hidden or not folder.name.startswith("."))


def _regular(path: Path) -> tuple[Path, int | None]:
    """The file itself and its size; no size for what is no regular file, or a link to nowhere."""
    try:
        target = path.resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError):  # the latter for a loop of links
        return path, None
    return target, status.st_size if stat.S_ISREG(status.st_mode) else None


def _utf8(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadInput(f"the task left a file whose name is not UTF-8, {name!r}; rename it") from None
    return name

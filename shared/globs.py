"""Globs over the files of a task, as a shell with `globstar` reads them; a pattern that names a directory takes all that is below."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from shared.errors import BadInput

ANY_DEPTH = "**"
MOST_ANY_DEPTH = 3  # each one more multiplies the ways to match a deep path

Parts = tuple[str, ...]


def matching(names: Iterable[str], globs: Sequence[str]) -> list[str]:
    """The names that match any of the globs, in order. Raises BadInput for a glob that leads out of the directory."""
    patterns = [parts_of(glob) for glob in globs]
    return [name for name in names if any(_matches(PurePosixPath(name).parts, pattern) for pattern in patterns)]


def parts_of(glob: str) -> Parts:
    """The segments of a glob. Raises BadInput for one that leads out of the directory."""
    path = PurePosixPath(glob)
    if not path.parts or path.is_absolute() or ".." in path.parts or path.parts.count(ANY_DEPTH) > MOST_ANY_DEPTH:
        raise BadInput(
            f"{glob!r} is not a pattern for files of a task: give one relative to its directory, without '..' and with at most "
            f"{MOST_ANY_DEPTH} '{ANY_DEPTH}'"
        )
    return path.parts


def names_hidden(glob: str) -> bool:
    """Whether it can match hidden files, or files in hidden folders: wildcards at the beginning of a name do not."""
    return bool(hidden_parts(glob))


def hidden_parts(*globs: str) -> list[str]:
    """The segments of these globs that can match hidden names."""
    return [part for glob in globs for part in PurePosixPath(glob).parts if part.startswith(".") and part != ".."]


def _matches(parts: Parts, pattern: Parts) -> bool:
    if not pattern:
        return _visible(parts)
    if pattern[0] == ANY_DEPTH:
        return any(_visible(parts[:depth]) and _matches(parts[depth:], pattern[1:]) for depth in range(len(parts) + 1))
    return bool(parts) and _segment(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _segment(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) and (pattern.startswith(".") or _visible((name,)))


def _visible(parts: Parts) -> bool:
    """Wildcards do not match a leading dot."""
    return not any(part.startswith(".") for part in parts)

"""What a judge is shown: names, sizes and beginnings of the files, within a budget; and whether what it quotes is really there."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.artifacts import files_in
from shared.contracts.executor import Result
from shared.models.fence import NAME, defused, fenced

DATA = "data of the result"
LISTING = "files"
CUT = "[… only the beginning is shown …]"
MOST_LISTED = 200
LEAST_SHOWN = 64
LONGEST_NAME = 300
LONGEST_LETTER = 4  # bytes, in UTF-8
SURE = 8
"""A shorter quote proves nothing, unless it is a whole line."""


@dataclass(frozen=True, slots=True)
class Exhibits:
    """What is shown: a line for each file, and texts by the names of their files; of those in `cut`, only the beginning."""

    lines: tuple[str, ...]
    texts: Mapping[str, str]
    cut: Collection[str] = ()

    def listing(self) -> str:
        """The files as the judge sees them."""
        return fenced(LISTING, "\n".join(self.lines)) if self.lines else "It has left no files."

    def fences(self) -> list[str]:
        """Each text in a fence of its own."""
        return [fenced(name, f"{text}\n{CUT}" if name in self.cut else text) for name, text in self.texts.items()]

    def hold(self, quote: str, file: str = "") -> bool:
        """Whether the quote occurs in the file (in any, where none is named), in any amount of white space.

        Where there is no text at all, a line of the listing may be quoted.
        """
        wanted = _spaced(quote)
        sources = [defused(text) for name, text in self.texts.items() if _is_named(name, file)] if self.texts else ["\n".join(self.lines)]
        if len(wanted) < SURE:
            return bool(wanted) and any(wanted == _spaced(line) for text in sources for line in text.splitlines())
        return any(wanted in _spaced(text) for text in sources)


def exhibits(directory: Path, result: Result, *, most: int) -> Exhibits:
    """All that can be shown in `most` bytes; every file gets a fair share, small ones are whole. Nothing that the executor said."""
    files = {file.name: file for file in files_in(directory, hidden=True)}
    data = json.dumps(result.data, indent=1, sort_keys=True, ensure_ascii=False) if result.data else ""
    sizes = {**{name: file.size for name, file in files.items()}, **({DATA: len(data.encode())} if data else {})}
    shares = _shares(sizes, most)
    lines: list[str] = []
    texts: dict[str, str] = {}
    for name, file in sorted(files.items()):
        text = _beginning(file.path, shares[name]) if shares[name] >= min(LEAST_SHOWN, file.size) else None
        if text:
            texts[name] = text
        how = _how(text, whole=file.size <= shares[name], room=shares[name])
        lines.append(f"{_on_one_line(name)}, {file.size} bytes, {how}")
    if data:
        texts[DATA] = data.encode()[: shares[DATA]].decode(errors="ignore")  # last: the files come first
    left = len(lines) - MOST_LISTED
    cut = {name for name in texts if sizes[name] > shares[name]}
    return Exhibits(tuple(lines[:MOST_LISTED] + ([f"and {left} more files"] if left > 0 else [])), texts, cut)


def _shares(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """The bytes that each may show: the smallest first, what they leave goes to the larger ones."""
    left, shares = most, dict[str, int]()
    for place, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: (item[1], item[0]))):
        shares[name] = min(size, left // (len(sizes) - place))
        left -= shares[name]
    return shares


def _beginning(path: Path, most: int) -> str | None:
    """The first bytes as text, without a letter that the cut fell into; None for what is no UTF-8."""
    with path.open("rb") as file:
        content = file.read(most)
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return content[: error.start].decode() if len(content) == most and error.start > most - LONGEST_LETTER else None


def _how(text: str | None, *, whole: bool, room: int) -> str:
    if text is None:
        return "not shown: no text" if room else "not shown: no room"
    return "shown below" if whole else "its beginning is shown below"


def _on_one_line(name: str) -> str:
    """Or a name could pretend to be several files."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name[:LONGEST_NAME])


def _is_named(name: str, file: str) -> bool:
    """Whether a judge who says `file` can mean this one; directories in front may be left out."""
    known, said = _on_one_line(name)[:NAME], _on_one_line(file.strip().removeprefix("./"))[:NAME]
    return not said or known == said or known.endswith(f"/{said}")


def _spaced(text: str) -> str:
    return " ".join(text.split())


def found(quotes: Iterable[tuple[str, str]]) -> str:
    """Quotes as evidence for people."""
    return "\n".join(f"{file}: {' '.join(quote.split())}" for file, quote in quotes)

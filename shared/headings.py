"""Where in its notes a task comes from: whoever writes the address of a heading down, and whoever looks it up, find the same one."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

LONGEST = 100
HEADING = re.compile(r"(#{1,6})[ \t]+(.+)")
FENCE = re.compile(r"[ \t]{0,3}(`{3,}(?=[^`]*\Z)|~{3,})(.*)")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that is not in a block: its line, from 1, its level and its address."""

    line: int
    level: int
    address: str


def slug(title: str) -> str:
    """A title as part of an address: its words, in lower case, joined by hyphens; never empty."""
    return re.sub(r"\W+", "-", title.casefold()).strip("-")[:LONGEST].strip("-") or "task"


def plain(text: str) -> str:
    """The text as all systems write it."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def lines_of(text: str) -> list[str]:
    """The lines of notes, numbered alike by all who read them."""
    return plain(text).split("\n")


def headings(lines: Sequence[str]) -> list[Heading]:
    """All headings, each with an address of its own."""
    found = list(_headings(lines))
    return [Heading(line, level, address) for (line, level, _), address in zip(found, addresses([one[2] for one in found]), strict=True)]


def addresses(titles: Iterable[str], taken: Collection[str] = ()) -> list[str]:
    """An address each, numbered as GitHub does where one is not the first: `#summary`, `#summary-1`. None is in `taken`.

    A title whose words no other one has keeps them, wherever it stands.
    """
    slugs = [slug(title) for title in titles]
    used, own, counts = set(taken), set(slugs), dict[str, int]()
    found = []
    for base in slugs:
        address = base
        while address in used or (address != base and address in own):
            counts[base] = counts.get(base, 0) + 1
            address = f"{base}-{counts[base]}"
        used.add(address)
        found.append(address)
    return found


def place_of(reference: str, files: Collection[str]) -> tuple[str, str]:
    """File and address of a reference `file#address`; the address is empty where it is the file as a whole."""
    if reference in files:
        return reference, ""
    file, _, address = reference.rpartition("#")
    return file, address


def _headings(lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    block = ""
    for number, line in enumerate(lines, 1):
        if fence := FENCE.match(line):
            closes = block and fence[1].startswith(block) and not fence[2].strip()
            block = "" if closes else block or fence[1]
        elif not block and (match := HEADING.match(line)):
            yield number, len(match[1]), match[2]

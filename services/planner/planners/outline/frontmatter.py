"""Front matter, which CommonMark would take for a heading: what it says of the run is read, all else describes the file and is left out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.planner.planners.outline import values
from services.planner.planners.outline.problems import Problems
from shared.contracts.plan import MOST_AT_ONCE, NotesFile
from shared.headings import plain

FRONT_MATTER = re.compile(r"---[ \t]*\n[A-Za-z_][\w-]*:.*\n(?:[A-Za-z_][\w-]*:.*\n|[ \t-].*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
COMMENT = re.compile(r"[ \t]#")
RUN_KEYS = {"priority": values.whole_number(0, 9), "concurrency": values.whole_number(1, MOST_AT_ONCE)}


def blanked(text: str) -> str:
    """The text with its front matter emptied, line for line, so that what follows keeps its line numbers."""
    match = FRONT_MATTER.match(text)
    return "\n" * match[0].count("\n") + text[match.end() :] if match else text


def front_of(notes: NotesFile, problems: Problems) -> dict[str, int]:
    """What the front matter of a file sets, of RUN_KEYS; what is wrong with it goes to `problems`."""
    found: dict[str, int] = {}
    for line, key, value in _pairs(notes.text):
        if key in found:
            problems.add(notes.name, line, f"`{key}` is set twice; keep one of them")
            continue
        try:
            found[key] = RUN_KEYS[key](value)
        except ValueError as error:
            problems.add(notes.name, line, f"`{key}`: {error}")
    return found


def of_the_run(notes: Sequence[NotesFile], problems: Problems) -> Mapping[str, Any]:
    """What front matter says of the whole run. The priority of one file of several is that of its own tasks."""
    fronts = [front_of(one, problems) for one in notes]
    if len(fronts) == 1:
        return fronts[0]
    said = [(one.name, front["concurrency"]) for one, front in zip(notes, fronts, strict=True) if "concurrency" in front]
    if len({number for _, number in said}) > 1:
        problems.add(said[-1][0], 1, f"`concurrency` is {said[-1][1]} here and {said[0][1]} in {said[0][0]}, of one run; keep one of them")
    return {"concurrency": said[0][1]} if said else {}


def _pairs(text: str) -> Iterator[tuple[int, str, str]]:
    match = FRONT_MATTER.match(plain(text))
    for number, line in enumerate(match[0].split("\n") if match else (), 1):
        key, colon, rest = line.partition(":")
        if colon and key in RUN_KEYS:
            yield number, key, COMMENT.split(rest, maxsplit=1)[0].strip(" \t").strip("\"'")

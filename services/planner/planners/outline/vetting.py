"""What is refused before it is read: notes that are too long, empty, binary, or given twice."""

import re
from collections.abc import Sequence

from services.planner.planners.outline.problems import Problems
from shared.contracts.plan import NotesFile
from shared.errors import LimitExceeded

MOST_BYTES = 4 * 1024 * 1024
# Tabs, line ends and the form feed of old printers are text; the rest of the control characters is not.
BINARY = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")


def refuse_too_long(notes: Sequence[NotesFile]) -> None:
    """Raises LimitExceeded for notes above 4 MiB in all."""
    size = sum(len(one.text.encode("utf-8", "surrogatepass")) for one in notes)
    if size > MOST_BYTES:
        raise LimitExceeded(f"the notes have {size} bytes, and the limit is {MOST_BYTES} (4 MiB); give fewer files, or several runs")


def vet(notes: Sequence[NotesFile], problems: Problems) -> None:
    """Notes what cannot be read at all."""
    seen: set[str] = set()
    for one in notes:
        if one.name in seen:
            problems.add(one.name, 1, "two files of notes have this name; rename one of them")
        seen.add(one.name)
        if not one.text.strip("\ufeff \t\r\n\f"):
            problems.add(one.name, 1, "the file is empty; write tasks as headings or list items, or leave the file out")
        elif match := BINARY.search(one.text):
            line = len(re.findall(r"\r\n?|\n", one.text[: match.start()])) + 1
            message = f"there is a control character (U+{ord(match[0]):04X}), so this is not text; give Markdown in UTF-8"
            problems.add(one.name, line, message)

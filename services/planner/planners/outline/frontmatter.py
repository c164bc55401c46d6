"""Front matter, which CommonMark would take for a heading: it describes the file, not the work, and is left out."""

import re

FRONT_MATTER = re.compile(r"---[ \t]*\n[A-Za-z_][\w-]*:.*\n(?:[A-Za-z_][\w-]*:.*\n|[ \t-].*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")


def blanked(text: str) -> str:
    """The text with its front matter emptied, line for line, so that what follows keeps its line numbers."""
    match = FRONT_MATTER.match(text)
    return "\n" * match[0].count("\n") + text[match.end() :] if match else text

"""Where the tree begins: a file with a single heading at the top is that heading."""

from services.planner.planners.outline.section import Section


def promoted(file: Section) -> Section:
    """The file's only top heading, with the text above it; or the file itself, where there are several or things beside it."""
    if len(file.headings) != 1 or not file.bare or file.children != file.headings:
        return file
    heading = file.headings[0]
    heading.parent = None
    heading.body[:0] = file.body
    return heading


def described(prompt: str, prose: list[str]) -> str:
    """The description of a run: what was asked for, then what the notes say about the whole."""
    return "\n\n".join(text for text in (prompt.strip(), *prose) if text)

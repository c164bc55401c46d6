"""Where the tree begins: a file with a single heading at the top is that heading."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from services.planner.planners.outline.section import Section


def promoted(file: Section) -> Section:
    """The file's only top heading, with the text above it; or the file itself, where there are several or things beside it."""
    if len(file.headings) != 1 or not file.bare or file.children != file.headings:
        return file
    heading = file.headings[0]
    heading.parent = None
    heading.body[:0] = file.body
    return heading


def folder_title(files: Sequence[Section]) -> str:
    """The folder that all files lie in, as a title; empty where there is none."""
    folders = {PurePosixPath(file.file).parent.name for file in files}
    name = folders.pop() if len(folders) == 1 else ""
    words = name.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def described(prompt: str, prose: list[str]) -> str:
    """The description of a run: what was asked for, then what the notes say about the whole."""
    return "\n\n".join(text for text in (prompt.strip(), *prose) if text)

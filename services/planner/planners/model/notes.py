"""What the notes say, for a model: their text with each section marked, and the approvals that they ask for, which no plan may lose."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from services.planner.names import nearest, shortened
from services.planner.planners.outline.keys import KEYS
from services.planner.planners.outline.problems import Problems
from services.planner.planners.outline.reader import read
from services.planner.planners.outline.section import Section
from services.planner.planners.outline.values import approval
from services.planner.planners.outline.vetting import vet
from shared.contracts.plan import Checkpoint, NotesFile
from shared.errors import NotesError
from shared.headings import lines_of, place_of

APPROVAL = "approval"
MOST_MARKS = 200
CLOSE_ENOUGH = 0.75


@dataclass(frozen=True, slots=True)
class Marked:
    """A section that a plan can name by its mark. `above` are the marks of the sections around it."""

    mark: str
    reference: str
    title: str
    above: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """An approval that the notes ask for, at a section: whose work starts, or whose result counts, only with it."""

    mark: str
    section: Marked
    checkpoint: Checkpoint
    written: str
    place: str


@dataclass(frozen=True, slots=True)
class ReadNotes:
    """The notes as a model sees them."""

    files: tuple[NotesFile, ...]
    sections: tuple[Marked, ...]
    demands: tuple[Demand, ...]

    def section(self, mark: str) -> Marked | None:
        """The section with this mark."""
        return next((section for section in self.sections if section.mark == mark), None)


def read_notes(notes: Sequence[NotesFile]) -> ReadNotes:
    """Marks and demands. Raises NotesError for an approval that cannot be understood: it must not be lost without a word."""
    problems = Problems([one.name for one in notes])
    vet(notes, problems)
    problems.refuse_if_any()
    sections = [section for file in _files(notes) for section in file.walk()]
    asking = [section for section in sections if _approvals(section)]
    chosen = [section for section in sections if section.level and not section.is_item][:MOST_MARKS]
    wanted = {id(section) for section in (*chosen, *asking)}
    marks = {id(section): f"S{number}" for number, section in enumerate((s for s in sections if id(s) in wanted), 1)}
    marked = {id(section): _marked(section, marks) for section in sections if id(section) in wanted}
    demands = [
        Demand(f"A{number}", marked[id(section)], checkpoint, written, f"{section.file}:{line}")
        for number, (section, checkpoint, written, line) in enumerate(_demands(asking, problems), 1)
    ]
    _refuse_nearly(sections, problems)
    problems.refuse_if_any()
    places = [(section.file, section.line, marks[id(section)]) for section in sections if id(section) in marks]
    return ReadNotes(tuple(_with_marks(one, places) for one in notes), tuple(marked.values()), tuple(demands))


def excerpt(notes: Sequence[NotesFile], references: Sequence[str]) -> tuple[NotesFile, ...]:
    """The text of the sections that a task names, one file each; nothing for references that name none."""
    found: list[NotesFile] = []
    by_file = {one.name: one for one in notes}
    for reference in references:
        file, address = place_of(reference, by_file)
        if file in by_file and (span := _span(by_file[file], address) if address else by_file[file].text):
            found.append(NotesFile(name=reference[:400], text=span))
    return tuple(found)


def _files(notes: Sequence[NotesFile]) -> list[Section]:
    # What outline would refuse elsewhere in the notes is text like any other to a model; only approvals must be understood.
    return [read(one, Problems([one.name])) for one in notes]


def _approvals(section: Section) -> list[tuple[str, int]]:
    return [(pair.value, pair.line) for pair in section.pairs if pair.key == APPROVAL]


def _demands(asking: Sequence[Section], problems: Problems) -> Iterator[tuple[Section, Checkpoint, str, int]]:
    for section in asking:
        given = _approvals(section)
        for value, line in given[1:]:
            problems.add(section.file, line, f"`approval: {value}`: another is set in line {given[0][1]}; keep one, or two sections")
        value, line = given[0]
        try:
            yield section, approval(value), value, line
        except ValueError as error:
            problems.add(section.file, line, f"`approval`: {error}")


def _refuse_nearly(sections: Sequence[Section], problems: Problems) -> None:
    """A key that was meant to ask for an approval and does not."""
    for section in sections:
        for pair in section.pairs:
            if pair.key not in KEYS and nearest(pair.key, KEYS, cutoff=CLOSE_ENOUGH) == APPROVAL:
                problems.add(section.file, pair.line, f"`{pair.key}` is no key; did you mean `{APPROVAL}`?")


def _marked(section: Section, marks: dict[int, str]) -> Marked:
    title = section.title or PurePosixPath(section.file).stem
    above = tuple(marks[id(one)] for one in _around(section) if id(one) in marks)
    return Marked(marks[id(section)], section.reference, shortened(title), above)


def _around(section: Section) -> Iterator[Section]:
    while section.parent is not None:
        section = section.parent
        yield section


def _with_marks(notes: NotesFile, places: Sequence[tuple[str, int, str]]) -> NotesFile:
    lines = lines_of(notes.text)
    by_line: dict[int, list[str]] = defaultdict(list)
    for file, line, mark in places:
        if file == notes.name:
            by_line[line].append(f"[{mark}]")
    marked = [" ".join([*by_line.get(number, ()), line]) for number, line in enumerate(lines, 1)]
    return notes.model_copy(update={"text": "\n".join(marked)})


def _span(notes: NotesFile, address: str) -> str:
    """The lines from the section's heading or item up to what follows it on its level."""
    try:
        sections = [section for section in read(notes, Problems([notes.name])).walk() if section.level]
    except NotesError:
        return ""
    at = next((place for place, section in enumerate(sections) if section.address == address), None)
    if at is None:
        return ""
    section = sections[at]
    inside = {id(one) for one in section.walk()}
    end = min((one.line for one in sections[at + 1 :] if id(one) not in inside and one.line > section.line), default=None)
    return "\n".join(lines_of(notes.text)[section.line - 1 : end - 1 if end else None])

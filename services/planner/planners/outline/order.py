"""Which sibling waits for which: names in `after` become keys, lists become chains, integration steps wait for the rest."""

from collections.abc import Mapping, Sequence

from services.planner import domain
from services.planner.names import Guesses, circle, folded
from services.planner.planners.outline.problems import Problems
from services.planner.planners.outline.section import Section
from services.planner.planners.outline.settings import Given, Settings
from shared.headings import slug


class Level:
    """The siblings below one parent, by key and by title."""

    def __init__(self, siblings: Mapping[str, Section]) -> None:
        self.siblings = siblings
        self._keys = {folded(section.title): key for key, section in reversed(list(siblings.items()))}

    def find(self, name: str) -> str | None:
        """The key of the sibling with this title, or with this slug."""
        wanted = folded(name)
        return self._keys.get(wanted) or (wanted if wanted in self.siblings else None)

    def names_in(self, value: str) -> list[str]:
        """The names between commas, unless all of it is one title that has a comma in it."""
        return [value] if self.find(value) else [part.strip() for part in value.split(",") if part.strip()]


class Order:
    """Resolves dependencies, level by level, for the notes below `roots`."""

    def __init__(self, roots: Sequence[Section], problems: Problems) -> None:
        self._roots = roots
        self._problems = problems
        self._elsewhere: dict[str, Section] | None = None
        self._guesses = Guesses()

    def of(self, siblings: Mapping[str, Section], settings: Mapping[str, Settings]) -> dict[str, tuple[str, ...]]:
        """The keys that each of these siblings waits for. `siblings` and `settings` are by key."""
        level = Level(siblings)
        keys = {section: key for key, section in siblings.items()}
        after = {key: self._explicit(key, level, given=settings[key].after) for key in siblings}
        for key, section in siblings.items():
            if section.follows in keys:
                after[key].append(keys[section.follows])
        self._refuse_cycles(after, siblings, settings)
        integrations = [key for key in siblings if settings[key].one("integration", default=False)]
        open_ended = [key for key in integrations if not settings[key].after]
        return domain.joined(after, integrations=integrations, open_ended=open_ended)

    def _explicit(self, key: str, level: Level, *, given: Sequence[Given]) -> list[str]:
        needed, section = [], level.siblings[key]
        for one in given:
            for name in level.names_in(one.value):
                target = level.find(name)
                if target is None:
                    self._unknown(name, section, line=one.line, level=level)
                elif target == key:
                    self._problem(section, one.line, f"`{section.title}` waits for itself; take it out of `after`")
                else:
                    needed.append(target)
        return needed

    def _unknown(self, name: str, section: Section, *, line: int, level: Level) -> None:
        other = self._find_elsewhere(name)
        if other is None:
            hint = self._hint(name, section, level)
            self._problem(section, line, f"`after` names `{name}`, but no task beside `{section.title}` is called that; {hint}")
            return
        above = _ancestors(other)
        beside = next((title for title in above if level.find(title) and title != section.title), None)
        place = f"is {other.file}:{other.line}" + (f", below `{above[0]}`" if above else ", at the top")
        way_out = f"name `{beside}`, which it belongs to" if beside else "let their parents wait for each other, or move one of them"
        self._problem(section, line, f"`after` names siblings only, and `{other.title}` {place}; {way_out}")

    def _hint(self, name: str, section: Section, level: Level) -> str:
        others = (other.title for other in level.siblings.values() if other is not section)
        near = self._guesses.nearest(name, others, among=len(level.siblings), cutoff=0.5)
        return f"did you mean `{near}`?" if near else "name a task of the same parent, by its title"

    def _find_elsewhere(self, name: str) -> Section | None:
        if self._elsewhere is None:
            self._elsewhere = {}
            for root in self._roots:
                for section in root.walk():
                    self._elsewhere.setdefault(folded(section.title), section)
                    self._elsewhere.setdefault(slug(section.title), section)
        return self._elsewhere.get(folded(name))

    def _refuse_cycles(self, after: Mapping[str, list[str]], siblings: Mapping[str, Section], settings: Mapping[str, Settings]) -> None:
        for cycle in domain.cycles(after):
            first = min(range(len(cycle) - 1), key=lambda place: siblings[cycle[place]].line)
            ring = [*cycle[first:-1], *cycle[: first + 1]]
            section, given = siblings[ring[0]], settings[ring[0]].after
            line = given[0].line if given else section.line
            path = circle([f"`{siblings[key].title}`" for key in ring])
            self._problem(section, line, f"these wait for each other: {path}; take one out of an `after`, or out of the ordered list")

    def _problem(self, section: Section, line: int, message: str) -> None:
        self._problems.add(section.file, line, message)


def _ancestors(section: Section) -> list[str]:
    titles = []
    while section.parent is not None and section.parent.title:
        section = section.parent
        titles.append(section.title)
    return titles

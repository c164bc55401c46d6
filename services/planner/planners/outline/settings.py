"""What a section's keys set, read and checked one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.planner.names import did_you_mean
from services.planner.planners.outline.frontmatter import RUN_KEYS
from services.planner.planners.outline.keys import CHECK_KEYS, KEYS
from services.planner.planners.outline.problems import Problems
from services.planner.planners.outline.section import Section


@dataclass(frozen=True)
class Given:
    """One value, understood, and where it stands."""

    value: Any
    line: int


class Settings:
    """Values by key, in the order of the notes."""

    def __init__(self, given: Mapping[str, Sequence[Given]]) -> None:
        self.given = given
        self.after = tuple(given.get("after", ()))

    def __contains__(self, key: str) -> bool:
        return key in self.given

    def one(self, key: str, *, default: Any = None) -> Any:
        """The value of a key that does not repeat."""
        return self.given[key][0].value if key in self.given else default

    def line(self, key: str) -> int:
        """Where the key stands first."""
        return self.given[key][0].line

    @property
    def checks(self) -> tuple[dict[str, Any], ...]:
        """All checks, in the order in which they were written."""
        given = [one for key in CHECK_KEYS for one in self.given.get(key, ())]
        return tuple(one.value for one in sorted(given, key=lambda one: one.line))

    @property
    def outputs(self) -> tuple[str, ...]:
        """All globs."""
        return tuple(glob for one in self.given.get("outputs", ()) for glob in one.value)


def read_settings(section: Section, problems: Problems) -> Settings:
    """The section's keys; what is wrong with them goes to `problems`."""
    given: dict[str, list[Given]] = {}
    for pair in section.pairs:
        key = KEYS.get(pair.key)
        if key is None and pair.key in RUN_KEYS:
            message = f"`{pair.key}` is for the whole run; set it in the front matter of the notes, between two lines --- at their top"
            problems.add(section.file, pair.line, message)
        elif key is None:
            problems.add(section.file, pair.line, f"`{pair.key}` is no key; {_way_out(pair.key)}")
        elif not pair.value:
            problems.add(section.file, pair.line, f"`{pair.key}` has no value; write it behind the colon, or remove the item")
        elif pair.key in given and not key.repeats:
            problems.add(section.file, pair.line, f"`{pair.key}` is already set in line {given[pair.key][0].line}; keep one of them")
        else:
            try:
                value = key.read(pair.value)
            except ValueError as error:
                problems.add(section.file, pair.line, f"`{pair.key}`: {error}")
            else:
                given.setdefault(pair.key, []).append(Given(value, pair.line))
    return Settings(given)


def _way_out(word: str) -> str:
    return f"{did_you_mean(word, KEYS)} (a list that is mere text: write it as a paragraph)"

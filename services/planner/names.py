"""Names that people type: made comparable, made into keys, and the nearest one when they are wrong."""

import difflib
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from shared.headings import slug

TITLE_LENGTH = 300
LONGEST_CIRCLE = 20
MOST_LISTED = 20
MOST_COMPARISONS = 50_000
"""A name is compared with all that there are: beyond this many comparisons a person has enough to mend first."""


def folded(name: str) -> str:
    """Equal for names that a reader takes for the same."""
    return " ".join(name.split()).casefold()


def unique_slugs(titles: Iterable[str]) -> list[str]:
    """One slug a title, in order; a later title that would get a taken one gets a number."""
    taken: set[str] = set()
    counts: dict[str, int] = {}
    slugs = []
    for title in titles:
        base = candidate = slug(title)
        while candidate in taken:
            counts[base] = counts.get(base, 1) + 1
            candidate = f"{base}-{counts[base]}"
        taken.add(candidate)
        slugs.append(candidate)
    return slugs


def shortened(title: str) -> str:
    """A title that fits a task."""
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…"


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that looks most like this one, if any does."""
    originals = {folded(candidate): candidate for candidate in known}
    matches = difflib.get_close_matches(folded(name), originals, n=1, cutoff=cutoff)
    return originals[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A way out of an unknown name: the nearest known one, or all of them."""
    known = list(known)
    return _way_out(nearest(name, known), known)


class Guesses:
    """Ways out of the unknown names of one plan, of which there may be thousands: the first get the nearest known one."""

    def __init__(self) -> None:
        self._left = MOST_COMPARISONS

    def nearest(self, name: str, known: Iterable[str], *, among: int, cutoff: float = 0.6) -> str | None:
        """As `nearest`, while there is time for it; `among` is how many are known, which are not looked at when there is none."""
        self._left -= among
        return nearest(name, known, cutoff=cutoff) if self._left >= 0 else None

    def did_you_mean(self, name: str, known: Collection[str]) -> str:
        """As `did_you_mean`, while there is time for it."""
        return _way_out(self.nearest(name, known, among=len(known)), known)


def _way_out(near: str | None, known: Collection[str]) -> str:
    if near:
        return f"did you mean `{near}`?"
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return f"there are: {', '.join(islice(known, MOST_LISTED)) or 'none'}{more}"


def circle(names: Sequence[str]) -> str:
    """A cycle as an arrow path; the middle of a very long one is left out."""
    if len(names) > LONGEST_CIRCLE:
        names = [*names[:6], f"({len(names) - 11} more)", *names[-5:]]
    return " → ".join(names)

"""Names that people type: made comparable, made into keys, and the nearest one when they are wrong."""

import difflib
import re
from collections.abc import Iterable, Sequence

SLUG_LENGTH = 100
TITLE_LENGTH = 300
LONGEST_CIRCLE = 20


def folded(name: str) -> str:
    """Equal for names that a reader takes for the same."""
    return " ".join(name.split()).casefold()


def slug(title: str) -> str:
    """A title as part of an address; never empty."""
    return re.sub(r"\W+", "-", title.casefold()).strip("-")[:SLUG_LENGTH].strip("-") or "task"


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
    near = nearest(name, known)
    return f"did you mean `{near}`?" if near else f"there are: {', '.join(known) or 'none'}"


def circle(names: Sequence[str]) -> str:
    """A cycle as an arrow path; the middle of a very long one is left out."""
    if len(names) > LONGEST_CIRCLE:
        names = [*names[:6], f"({len(names) - 11} more)", *names[-5:]]
    return " → ".join(names)

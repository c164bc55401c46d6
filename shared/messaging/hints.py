"""A hint about something that is not there: harmless, but somebody has said it, so it is not passed over in silence."""

from collections.abc import Collection, Iterable

import structlog

MOST_NAMED = 10
LONGEST = 200

log = structlog.get_logger()


def note_unknown(wanted: Iterable[str], known: Collection[str]) -> None:
    """One log line, where any of the tasks that were hinted at does not exist."""
    if unknown := sorted(set(wanted).difference(known)):
        log.warning("hint.unknown", tasks=[task[:LONGEST] for task in unknown[:MOST_NAMED]], count=len(unknown))

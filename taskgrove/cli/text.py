"""How things are written for people: durations, sizes, short ids, and one mark a phase."""

import unicodedata
from datetime import datetime

from shared import figures
from shared.contracts.phases import Phase
from shared.contracts.views import Usage
from shared.figures import count_of, size

__all__ = ["MARKS", "clean", "clock_time", "count_of", "duration", "last_lines", "line_of", "short", "size", "spent", "words"]

MARKS = {
    Phase.BLOCKED: ("·", "dim"),
    Phase.AWAITING_APPROVAL: ("?", "bold yellow"),
    Phase.READY: ("○", "cyan"),
    Phase.RUNNING: ("▶", "cyan"),
    Phase.EXPANDING: ("+", "cyan"),
    Phase.EXPANDED: ("▾", "cyan"),
    Phase.INTEGRATING: ("⊕", "cyan"),
    Phase.CHECKING: ("◎", "cyan"),
    Phase.RETRYING: ("↻", "yellow"),
    Phase.REPLANNING: ("↻", "yellow"),
    Phase.ESCALATED: ("!", "bold yellow"),
    Phase.COMPLETED: ("✓", "green"),
    Phase.FAILED: ("✗", "bold red"),
    Phase.CANCELLED: ("⊘", "red"),
    Phase.SKIPPED: ("↷", "yellow"),
}
WORDS = {Phase.AWAITING_APPROVAL: "waits for approval", Phase.ESCALATED: "asks a person", Phase.EXPANDED: "under way"}
SHORT = 8


def words(phase: Phase) -> str:
    """A phase as a person says it."""
    return WORDS.get(phase, phase.value.replace("_", " "))


def duration(seconds: float | None) -> str:
    """As everywhere; `?` for what is not known."""
    return "?" if seconds is None else figures.duration(seconds)


def spent(usage: Usage) -> str | None:
    """`12 345 tokens read, 678 tokens written, $0.0123`, as far as it is known, which may be `at least $0.0123 (…)`; None: nothing is."""
    counts = (("read", usage.prompt_tokens), ("written", usage.completion_tokens))
    parts = [f"{count:,} tokens {what}".replace(",", " ") for what, count in counts if count is not None]
    if usage.usd is not None:
        dollars = f"${usage.usd:.4f}" if usage.usd < 1 else f"${usage.usd:.2f}"
        unpriced = usage.unpriced or 0
        parts.append(f"at least {dollars} ({count_of(unpriced, 'call')} without a known price)" if unpriced else dollars)
    return ", ".join(parts) or None


def short(identifier: str) -> str:
    """An id with its run cut to the last characters, which differ where the first are alike; commands take it in this form."""
    run, dot, rest = identifier.partition(".")
    run, colon, tail = run.partition(":")
    return run[-SHORT:] + colon + tail + dot + rest


def clock_time(at: datetime | None) -> str:
    """The time of day here."""
    return at.astimezone().strftime("%H:%M:%S") if at else "--:--:--"


def clean(text: str) -> str:
    """Without control characters: what tasks and people write must not steer a terminal."""
    return "".join(char if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf") else "\ufffd" for char in text)


def line_of(text: str, most: int = 200) -> str:
    """The text on one line, cut where it is too long."""
    flat = " ".join(clean(text).split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def last_lines(text: str, count: int) -> list[str]:
    """The end of an output."""
    return clean(text).rstrip().splitlines()[-count:]

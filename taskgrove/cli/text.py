"""How things are written for people: durations, sizes, short ids, and one mark a phase."""

import unicodedata
from datetime import datetime

from shared.contracts.phases import Phase
from shared.contracts.views import Usage

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
MINUTE, HOUR, TENTHS = 60.0, 3_600.0, 10.0
KILO = 1_024


def words(phase: Phase) -> str:
    """A phase as a person says it."""
    return WORDS.get(phase, phase.value.replace("_", " "))


def duration(seconds: float | None) -> str:
    """`40 ms`, `3.2 s`, `75 s` as `1 min 15 s`, `2 h 03 min`; `?` for what is not known."""
    if seconds is None:
        return "?"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds) < MINUTE:
        return f"{seconds:.1f} s" if seconds < TENTHS else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < HOUR / MINUTE:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def size(count: int) -> str:
    """Bytes as `512 B`, `1.5 KiB`, `20 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < KILO:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= TENTHS else f"{amount:.1f} {unit}"
        amount /= KILO
    return f"{amount:.1f} GiB"


def spent(usage: Usage) -> str | None:
    """`12 345 tokens read, 678 tokens written, $0.0123`, as far as it is known; None: nothing is."""
    counts = (("read", usage.prompt_tokens), ("written", usage.completion_tokens))
    parts = [f"{count:,} tokens {what}".replace(",", " ") for what, count in counts if count is not None]
    if usage.usd is not None:
        parts.append(f"${usage.usd:.4f}" if usage.usd < 1 else f"${usage.usd:.2f}")
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


def count_of(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

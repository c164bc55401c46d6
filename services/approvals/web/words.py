"""How figures, times and phases are said to people; pure, and the filters of all templates."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared import figures
from shared.contracts.phases import Phase
from shared.figures import HOUR, MINUTE

DAY = 86_400.0
THOUSAND, MILLION = 1_000, 1_000_000
CENT = 0.01
TAIL = 8
UNKNOWN = "\N{EN DASH}"

TONES: Mapping[str, tuple[Phase, ...]] = {
    "idle": (Phase.BLOCKED, Phase.READY),
    "active": (
        Phase.RUNNING, Phase.EXPANDING, Phase.EXPANDED, Phase.INTEGRATING, Phase.CHECKING, Phase.RETRYING, Phase.REPLANNING,
    ),
    "wait": (Phase.AWAITING_APPROVAL, Phase.ESCALATED),
    "good": (Phase.COMPLETED,),
    "bad": (Phase.FAILED,),
    "off": (Phase.CANCELLED, Phase.SKIPPED),
}  # fmt: skip
TONE_OF = {phase: tone for tone, phases in TONES.items() for phase in phases}
MARKS = {"idle": "○", "active": "▶", "wait": "?", "good": "✓", "bad": "✕", "off": "⊘"}
WORDS = {
    Phase.AWAITING_APPROVAL: "waits for approval",
    Phase.ESCALATED: "asks a person",
    Phase.EXPANDING: "planning",
    Phase.EXPANDED: "under way",
}
KINDS = {"checkpoint": "Checkpoint", "plan_review": "Plan review", "escalation": "Help wanted", "question": "Question"}


def tone(phase: str) -> str:
    """The colour family of a phase: idle, active, wait, good, bad, off."""
    return TONE_OF[Phase(phase)]


def mark(phase: str) -> str:
    """One character beside the words, so that colour is never alone."""
    return MARKS[tone(phase)]


def phase_words(phase: str) -> str:
    """A phase as a person says it."""
    return WORDS.get(Phase(phase), str(phase).replace("_", " "))


def kind_words(kind: str) -> str:
    """What sort of question it is."""
    return KINDS.get(kind, kind)


def duration(seconds: float | None) -> str:
    """`40 ms`, `3.2 s`, `1 min 15 s`, `2 h 03 min`, `3 d`; a dash for what is not known."""
    if seconds is None:
        return UNKNOWN
    return f"{seconds / DAY:.0f} d" if seconds >= DAY else figures.duration(max(seconds, 0))


def ago(at: str | datetime | None, now: datetime) -> str:
    """How long ago, roughly: `now`, `12 s`, `5 min`, `3 h`, `2 d`. Of what is to come: how long until then."""
    moment = _moment(at)
    if moment is None:
        return UNKNOWN
    seconds = abs((now - moment).total_seconds())
    for unit, length in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else "now"


def stamp(at: str | datetime | None) -> str:
    """`2026-11-23 09:15:02 UTC`."""
    moment = _moment(at)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if moment else UNKNOWN


def count(number: float | None) -> str:
    """`950`, `12.4k`, `3.1M`; a dash for what is not known."""
    if number is None:
        return UNKNOWN
    if number < THOUSAND:
        return f"{number:.0f}"
    return f"{number / THOUSAND:.1f}k" if number < MILLION else f"{number / MILLION:.1f}M"


def usd(amount: float | None) -> str:
    """`$0.0042`, `$1.50`; a dash for what is not known."""
    if amount is None:
        return UNKNOWN
    return f"${amount:.4f}" if 0 < amount < CENT else f"${amount:.2f}"


def size(number: int | None) -> str:
    """Bytes as `512 B`, `1.5 KiB`, `20 MiB`."""
    return UNKNOWN if number is None else figures.size(number)


def short(identifier: str) -> str:
    """An id with its run cut to the last characters, which differ where the first are alike."""
    run, dot, rest = identifier.partition(".")
    return run[-TAIL:] + dot + rest


def _moment(at: str | datetime | None) -> datetime | None:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None


FILTERS: dict[str, Callable[..., Any]] = {
    "tone": tone, "mark": mark, "phase_words": phase_words, "kind_words": kind_words, "duration": duration, "ago": ago, "stamp": stamp,
    "amount": count, "usd": usd, "size": size, "short": short, "plural": figures.count_of,
}  # fmt: skip

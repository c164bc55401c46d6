"""What the checker says, and the values that a verdict is made of."""

from typing import Literal

from shared.contracts.base import Event, Value

Judgement = Literal["passed", "failed", "lost", "too_big", "asks", "released", "cancelled"]


NO_CHECK = "none"
"""The check in the evidence of a task that has none of its own: it claims to be done, and nobody looked."""


class Evidence(Value):
    """What one check saw."""

    check: str
    passed: bool
    detail: str
    output: str = ""
    seconds: float | None = None


class TaskVerified(Event, name="task.verified", said_by="checker", heard_by=("sequencer", "approvals"), carries="verdicts"):
    """Verdicts are in."""

    verdicts: tuple[str, ...]

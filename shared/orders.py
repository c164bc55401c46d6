"""What a task's document says of the orders that were given for it: the sequencer notes them there, approvals reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIELDS = ("last_control", "dealt", "refused", "refused_control")
MOST_KEPT = 16
"""So many orders are known by their ids; what is older than all of them is taken for dealt with."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The orders of one task. Their ids grow with time: of two the later one counts."""

    last: str = ""
    dealt: tuple[str, ...] = ()
    refused: str = ""
    why: str = ""

    def is_dealt_with(self, order: str) -> bool:
        """Whether this order was carried out, or refused."""
        if order in self.dealt:
            return True
        return order < min(self.dealt) if len(self.dealt) >= MOST_KEPT else not self.dealt and order <= self.last

    def is_overtaken(self, order: str) -> bool:
        """Whether a later one was carried out."""
        return order < self.last

    def refusal(self, order: str) -> str | None:
        """Why this order was refused; None: it was not, or another was since."""
        return self.why if order == self.refused else None

    def with_order(self, order: str) -> list[str]:
        """The ids to be kept once this one is dealt with, too."""
        return sorted({*self.dealt, order, *([] if self.dealt or not self.last else [self.last])})[-MOST_KEPT:]


def noted_in(task: Mapping[str, Any] | None) -> Noted:
    """What is noted in this document. One that was written before ids were kept has only the last."""
    if not task:
        return Noted()
    return Noted(
        task.get("last_control") or "", tuple(task.get("dealt") or ()), task.get("refused_control") or "", task.get("refused") or ""
    )

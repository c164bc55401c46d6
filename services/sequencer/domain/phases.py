"""The one table: from which phase a task may go to which. Nothing else changes a phase."""

from dataclasses import dataclass
from typing import Any

from services.sequencer.domain.task import Task
from shared.contracts.phases import TERMINAL, Phase

LEGAL: dict[Phase, frozenset[Phase]] = {
    # To integrating by a person alone: a group that is done again waits, while all below it may be over already.
    Phase.BLOCKED: frozenset({Phase.READY, Phase.AWAITING_APPROVAL, Phase.EXPANDING, Phase.EXPANDED, Phase.INTEGRATING}),
    Phase.AWAITING_APPROVAL: frozenset(
        {
            Phase.READY,
            Phase.EXPANDING,
            Phase.EXPANDED,
            Phase.INTEGRATING,
            Phase.COMPLETED,
            Phase.FAILED,
            Phase.SKIPPED,
            Phase.AWAITING_APPROVAL,
        }
    ),
    Phase.READY: frozenset(
        {
            Phase.READY,
            Phase.COMPLETED,
            Phase.RETRYING,
            Phase.EXPANDING,
            Phase.AWAITING_APPROVAL,
            Phase.REPLANNING,
            Phase.ESCALATED,
            Phase.FAILED,
        }
    ),
    Phase.RETRYING: frozenset({Phase.READY, Phase.INTEGRATING}),
    Phase.EXPANDING: frozenset({Phase.EXPANDED, Phase.AWAITING_APPROVAL, Phase.ESCALATED, Phase.FAILED, Phase.EXPANDING}),
    Phase.EXPANDED: frozenset({Phase.INTEGRATING, Phase.EXPANDED}),
    Phase.INTEGRATING: frozenset(
        {Phase.INTEGRATING, Phase.COMPLETED, Phase.RETRYING, Phase.AWAITING_APPROVAL, Phase.REPLANNING, Phase.ESCALATED, Phase.FAILED}
    ),
    Phase.REPLANNING: frozenset({Phase.EXPANDED, Phase.ESCALATED, Phase.REPLANNING}),
    Phase.ESCALATED: frozenset({Phase.READY, Phase.EXPANDING, Phase.INTEGRATING, Phase.SKIPPED, Phase.FAILED, Phase.ESCALATED}),
    Phase.COMPLETED: frozenset(),
    Phase.SKIPPED: frozenset(),
    Phase.FAILED: frozenset(),
    Phase.CANCELLED: frozenset(),
}
"""Beside these, every phase that is not terminal may go to cancelled, a person may take over (to ready) from any of them, and an order to
try again or to do again leads from anywhere to REOPENED, under a new epoch."""

REOPENED = frozenset({Phase.BLOCKED, Phase.EXPANDED})


def is_legal(source: Phase, target: Phase, *, renews: bool = False) -> bool:
    """Whether the table allows the move; `renews`: under a new epoch, as only an order that reopens a task does it."""
    if renews and target in REOPENED:
        return True
    if source not in TERMINAL and target in (Phase.CANCELLED, Phase.READY):
        return target is Phase.CANCELLED or source not in (Phase.EXPANDED, Phase.REPLANNING)
    return target in LEGAL[source]


class Frozen(dict[str, Any]):
    """A dictionary that can be compared and hashed, so that equal moves are written together. Never changed after it was made."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))


@dataclass(frozen=True, slots=True)
class How:
    """What a move writes. Equal ones are written together, by one update.

    `dispatch` raises the epoch and hints: an attempt of an older epoch is refused from then on. `renew` only raises it, so that questions
    that were answered are asked anew. `wait` is the time in seconds after which the sweep
    looks at the task again; None: it waits for nothing. `fields` are further fields, as pairs.
    """

    target: Phase
    dispatch: bool = False
    renew: bool = False
    wait: float | None = None
    passes: bool = False
    fields: tuple[tuple[str, Any], ...] = ()

    def field(self, name: str) -> Any:
        """One of the further fields, or None."""
        return dict(self.fields).get(name)


@dataclass(frozen=True, slots=True)
class Move:
    """One task's step, valid only from the phase and epoch in which the task was read."""

    task: Task
    how: How

    def __post_init__(self) -> None:
        if not is_legal(self.task.phase, self.how.target, renews=self.how.renew):
            raise ValueError(f"{self.task.task_id}: the table of phases has no move from {self.task.phase} to {self.how.target}")

    @property
    def epoch(self) -> int:
        """The task's epoch after the move."""
        return self.task.epoch + int(self.how.dispatch or self.how.renew)

    @property
    def closes(self) -> bool:
        """Whether the task is over with it."""
        return self.how.target in TERMINAL

    @property
    def opens(self) -> bool:
        """Whether those below it may go from now on."""
        return self.how.target is Phase.EXPANDED

    @property
    def abandons(self) -> bool:
        """Whether it ends before those below it began, after it was to be done again: then nobody does them again either."""
        unbegun = self.task.phase in (Phase.BLOCKED, Phase.AWAITING_APPROVAL, Phase.ESCALATED) or self.task.agent == "human"
        return self.closes and unbegun and self.task.is_group  # its children may have grown without its knowing, see `adopt`

    @property
    def reopens(self) -> bool:
        """Whether how the task ended before, if it did, counts no more."""
        return self.how.renew and self.how.target in REOPENED

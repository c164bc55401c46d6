"""What is kept of a schedule outside of all processes: what was wanted, what was answered, what was done, and what was seen."""

from dataclasses import dataclass, field
from typing import Any

from shared.contracts.phases import Action
from tests.simulation.effects import Ledger
from tests.simulation.watch import Watch


@dataclass
class Run:
    """One submission. `hard`: something in it cannot be done; `fair`: people do nothing to it but help."""

    key: str
    tasks: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    hard: bool = False
    fair: bool = True
    run_id: str = ""


@dataclass
class Accepted:
    """What was answered with 2xx, and so must not be lost: run ids by idempotency key; answers by question and person; orders by task."""

    runs: dict[str, set[str]] = field(default_factory=dict)
    answers: list[tuple[str, str, str]] = field(default_factory=list)
    orders: list[tuple[str, Action]] = field(default_factory=list)


@dataclass
class Records:
    """All of it; `world.ledger`."""

    watch: Watch
    effects: Ledger
    runs: list[Run]
    accepted: Accepted = field(default_factory=Accepted)

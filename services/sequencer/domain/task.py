"""A task as the sequencer decides about it: the fields that decisions need, no more."""

from dataclasses import dataclass, field
from typing import Any

from shared.contracts.phases import TERMINAL, Phase

FIELDS = (
    "parent_id", "kind", "title", "phase", "passes", "epoch", "attempts", "max_attempts", "depth", "agent", "checkpoint", "approved",
    "on_failure", "paused", "dependents", "feeds", "wide", "approval_id", "asking", "plan_version", "children", "error", "nudges", "losses",
    "answers", "by_model", "version", "reruns", "own", "dropped", "brought_back", "obeyed",
)  # fmt: skip


@dataclass(slots=True)
class Task:
    """Read from the store, never written back as a whole."""

    task_id: str
    parent_id: str | None
    kind: str
    title: str
    phase: Phase
    passes: bool
    epoch: int
    attempts: int
    max_attempts: int
    depth: int
    agent: str | None
    checkpoint: dict[str, Any] | None
    approved: bool
    on_failure: str
    paused: bool
    dependents: int
    feeds: list[str]
    wide: bool
    approval_id: str | None
    asking: dict[str, Any] | None
    plan_version: int
    children: int | None
    error: dict[str, Any] | None
    nudges: int
    losses: int
    by_model: bool
    version: int
    own: dict[str, Any] | None
    """What a person who took over has replaced: agent and inputs."""
    dependencies: list[str] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    reruns: list[str] = field(default_factory=list)
    """The orders by which it came back to life, the newest last; see `again`."""
    brought_back: str = ""
    """The last order by which it came back after it was over: what was ordered before that is over with it."""
    obeyed: str = ""
    """The last order that was carried out by one move of this task, written with that move."""
    dropped: list[int] = field(default_factory=list)
    """The versions of its plan that were asked for, and are never carried out."""

    @property
    def closed(self) -> bool:
        """Whether it is over, well or not."""
        return self.phase in TERMINAL

    @property
    def has_one_plan_only(self) -> bool:
        """Whether it is a group that was planned with its parent, and waits for just that plan."""
        return self.phase is Phase.EXPANDING and self.kind == "group" and self.parent_id is not None

    @property
    def is_group(self) -> bool:
        """Whether other tasks are, or will be, below it."""
        return self.kind == "group" or bool(self.children)


def task_from(doc: dict[str, Any]) -> Task:
    """A task document, or a projection of it that has FIELDS."""
    return Task(
        task_id=doc["_id"],
        parent_id=doc.get("parent_id"),
        kind=doc["kind"],
        title=doc["title"],
        phase=Phase(doc["phase"]),
        passes=doc["passes"],
        epoch=doc["epoch"],
        attempts=doc["attempts"],
        max_attempts=doc["max_attempts"],
        depth=doc["depth"],
        agent=doc.get("agent"),
        checkpoint=doc.get("checkpoint"),
        approved=doc.get("approved", False),
        on_failure=doc["on_failure"],
        paused=doc.get("paused", False),
        dependents=doc.get("dependents", 0),
        feeds=doc.get("feeds", []),
        wide=doc.get("wide", False),
        approval_id=doc.get("approval_id"),
        asking=doc.get("asking"),
        plan_version=doc.get("plan_version", 0),
        children=doc.get("children"),
        error=doc.get("error"),
        nudges=doc.get("nudges", 0),
        losses=doc.get("losses", 0),
        by_model=doc.get("by_model", False),
        version=doc.get("version", 1),
        own=doc.get("own"),
        dependencies=doc.get("dependencies", []),
        answers=doc.get("answers", []),
        reruns=doc.get("reruns", []),
        brought_back=doc.get("brought_back") or "",
        obeyed=doc.get("obeyed", ""),
        dropped=doc.get("dropped", []),
    )

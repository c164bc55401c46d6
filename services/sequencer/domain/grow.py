"""From a plan to task documents: the same plan always gives the same tasks, so that growing twice changes nothing."""

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.sequencer.domain.decide import released
from services.sequencer.domain.phases import Move
from services.sequencer.domain.task import task_from
from shared.contracts.phases import Phase
from shared.contracts.plan import PRIORITY, TaskSpec
from shared.ids import child_id
from shared.sequence import Sequence

WIDE = 100
"""A task that waits for more than this many others looks for itself: their number would make its own document, and each probe, large."""


@dataclass(frozen=True, slots=True)
class Soil:
    """Where the tasks grow: their parent, and what they inherit. `by_model`: a language model decided what they are to do.

    `reruns`: the orders that reopened the parent. What grows after them is new already: they must not reach it when they go on.
    """

    run_id: str
    parent_id: str
    plan_id: str
    plan_version: int
    depth: int
    paused: bool
    now: datetime
    by_model: bool = False
    reruns: SequenceOf[str] = ()

    def ids(self, specs: SequenceOf[TaskSpec]) -> dict[str, str]:
        """The ids of the tasks that grow here, by key."""
        return {spec.key: child_id(self.parent_id, self.plan_version, number) for number, spec in enumerate(specs, 1)}


def root_document(*, run_id: str, title: str, description: str, header: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The task that a submission becomes."""
    return {
        **_blank(run_id, now),
        "_id": run_id,
        "parent_id": None,
        "key": "root",
        **named_by({**header, "title": title, "description": description}),
        "kind": "group",
        "phase": Phase.EXPANDING,
        "agent": "integrate",
        "max_attempts": 3,
        "on_failure": "ask",
        "depth": 0,
        "position": 0,
        "group": 0,
        "critical": True,
        "plan_reason": "submitted",
    }


def named_by(header: dict[str, Any]) -> dict[str, Any]:
    """What a root has from the header of its plan."""
    options = header.get("options", {})
    return {
        "title": header.get("title", "")[:300] or "Untitled",
        "description": header.get("description", ""),
        "checks": header.get("checks", []),
        "options": options,
        "priority": PRIORITY if options.get("priority") is None else options["priority"],
        "submitted_by": header.get("submitted_by", "unknown"),
        **({"by_model": True} if made_by_model(header) else {}),
    }


def made_by_model(header: dict[str, Any]) -> bool:
    """Whether a language model made the plan: its scripts and commands are nobody's."""
    return bool(header.get("model") or header.get("prompt_hash"))


def grow(specs: SequenceOf[TaskSpec], order: Sequence, soil: Soil) -> Iterator[dict[str, Any]]:
    """The task documents of one level of a plan, each after all that it waits for.

    They are to be stored in this order: a task is let go when nothing that it waits for is found open, and what is not there is not found.
    """
    ids = soil.ids(specs)
    by_key = {spec.key: spec for spec in specs}
    level = {key: number for number, group in enumerate(order.groups) for key in group}
    rank = {key: number for number, key in enumerate(order.order)}
    critical = set(order.critical_path)
    narrow: dict[str, int] = defaultdict(int)
    feeds: dict[str, list[str]] = defaultdict(list)
    for spec in specs:
        for name in spec.after:
            if len(spec.after) > WIDE:
                feeds[name].append(ids[spec.key])
            else:
                narrow[name] += 1
    for spec in map(by_key.__getitem__, order.order):
        document = {
            **_blank(soil.run_id, soil.now),
            **_from_spec(spec),
            **({"by_model": True} if soil.by_model else {}),
            **({"reruns": list(soil.reruns)} if soil.reruns else {}),
            "_id": ids[spec.key],
            "parent_id": soil.parent_id,
            "plan_id": soil.plan_id,
            "depth": soil.depth,
            "position": rank[spec.key],
            "group": level[spec.key],
            "critical": spec.key in critical,
            "paused": soil.paused,
            "dependents": narrow[spec.key],
        }
        if spec.key in feeds:
            document["feeds"] = feeds[spec.key]
        if len(spec.after) > WIDE:
            document["wide"] = True
        elif spec.after:
            document["dependencies"] = [ids[name] for name in spec.after]
        yield document


def first_move(document: dict[str, Any]) -> Move | None:
    """The release of a fresh task that waits for nothing."""
    if document["paused"] or document.get("wide") or document.get("dependencies"):
        return None
    task = task_from(document)
    return Move(task, released(task))


def plan_version_of(task_id: str) -> int:
    """The version of its parent's plan that a task belongs to: its id says so, see `child_id`."""
    last = task_id.rpartition(".")[2]
    return int(last[1:].partition("-")[0]) if last.startswith("v") else 1


def _from_spec(spec: TaskSpec) -> dict[str, Any]:
    is_group = spec.kind == "group" or bool(spec.subtasks)
    return {
        "key": spec.key,
        "title": spec.title,
        "description": spec.description,
        "kind": "group" if is_group else spec.kind,
        "agent": "integrate" if is_group else spec.agent,
        "inputs": spec.inputs,
        "outputs": list(spec.outputs),
        "checks": list(spec.checks),
        "checkpoint": spec.checkpoint.model_dump(mode="json") if spec.checkpoint else None,
        "notes": list(spec.notes),
        "timeout": spec.timeout,
        "on_failure": spec.on_failure,
        "max_attempts": spec.retries + 1,
        "priority": spec.priority,
        "estimate": spec.estimate,
        **({"further": spec.further} if spec.further else {}),
    }


def _blank(run_id: str, now: datetime) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "phase": Phase.BLOCKED,
        "open": True,
        "passes": False,
        "epoch": 0,
        "attempts": 0,
        "paused": False,
        "dependents": 0,
        "children": None,
        "version": 1,
        "error": None,
        "created_at": now,
    }

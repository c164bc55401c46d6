"""Tasks, looks and questions for the tests of the command line."""

from datetime import UTC, datetime
from typing import Any

from shared.contracts.phases import STATUS, Phase
from shared.contracts.views import ApprovalView, TaskView
from taskgrove.cli.look import Look

RUN = "01a209e30dab71248c4fafd6a47254d0"
BEGAN = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def task(path: str, phase: Phase = Phase.COMPLETED, **fields: Any) -> TaskView:
    """A task by its path below the run: `1.2`; empty: the root."""
    name = f"{RUN}.{path}" if path else RUN
    parent = None if not path else name.rpartition(".")[0]
    known = {"task_id": name, "run_id": RUN, "parent_id": parent, "title": f"Task {path}" if path else "Release", "depth": name.count(".")}
    return TaskView.model_validate({**known, "status": STATUS[phase], "phase": phase, **fields})


def seen(*tasks: TaskView, root: Phase = Phase.EXPANDED, approvals: tuple[ApprovalView, ...] = (), **fields: Any) -> Look:
    """A look at a run of these tasks, ten seconds after it began."""
    top = task("", root, kind="group", created_at=BEGAN, **fields)
    counts: dict[Phase, int] = {}
    for one in (top, *tasks):
        counts[one.phase] = counts.get(one.phase, 0) + 1
    return Look(top, tasks, counts, approvals, BEGAN.timestamp() + 10)


def approval(path: str = "2", kind: str = "checkpoint", **fields: Any) -> ApprovalView:
    """A question about a task."""
    known = {"approval_id": f"{RUN}.{path}:before:0", "run_id": RUN, "task_id": f"{RUN}.{path}", "kind": kind, "title": "Publish"}
    more = {"question": "May 'Publish' start?", "choices": ["approve", "reject"], "state": "pending", "digest": "d1"}
    return ApprovalView.model_validate({**known, **more, **fields})

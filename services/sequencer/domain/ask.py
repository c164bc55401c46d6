"""What people are asked, and what their answers mean."""

import hashlib
import json
from typing import Any

from services.sequencer.domain.task import Task

HELP = ("retry", "take_over", "skip", "fail")
WITHOUT_AN_ANSWER = ("take_over", "skip", "fail")
UNTRIED = {"not_judged": "was not judged", "no_walls": "was not run"}


def approval_id(task: Task, why: str) -> str:
    """One question about one task at one epoch: asked again it is the same question."""
    return f"{task.task_id}:{why}:{task.epoch}"


def digest_of(what: dict[str, Any]) -> str:
    """What is approved, as a hash: when it changes, the approval no longer fits."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


def asking_result(task: Task, checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The question of a checkpoint."""
    when = checkpoint.get("when", "before")
    question = f"May {task.title!r} start?" if when == "before" else f"Is the result of {task.title!r} good?"
    return {
        "kind": "checkpoint",
        "question": question,
        "choices": ["approve", "reject"],
        "approvers": list(checkpoint.get("approvers", ())),
        "required": checkpoint.get("required", 1),
        "within": checkpoint.get("within"),
        "digest": digest_of({"task": task.task_id, "epoch": task.epoch, "when": when}),
    }


def asking_for_help(task: Task, error: dict[str, Any]) -> dict[str, Any]:
    """The question at the end of the ladder."""
    what = UNTRIED.get(error["code"]) or f"failed after {task.attempts} tries"
    question = f"{task.title!r} {what}: {error['message']}"
    return _open_question(task, "escalation", question, choices=HELP)


def asking_question(task: Task, question: str) -> dict[str, Any]:
    """An agent needs an answer to go on; of a task for people the answer is the result."""
    choices = WITHOUT_AN_ANSWER if task.agent == "human" else ("answer", *WITHOUT_AN_ANSWER)
    return _open_question(task, "question", question, choices=choices)


def asking_plan(title: str, task_id: str, digest: str) -> dict[str, Any]:
    """May this plan be carried out?"""
    return {
        "kind": "plan_review",
        "question": f"Is the plan for {title!r} good?",
        "choices": ["approve", "reject"],
        "approvers": [],
        "required": 1,
        "within": None,
        "digest": digest_of({"task": task_id, "plan": digest}),
    }


def _open_question(task: Task, kind: str, question: str, *, choices: tuple[str, ...]) -> dict[str, Any]:
    return {
        "kind": kind,
        "question": question[:4_096],
        "choices": list(choices),
        "approvers": [],
        "required": 1,
        "within": None,
        "digest": digest_of({"task": task.task_id, "epoch": task.epoch, "kind": kind}),
    }

"""What lies around a task, for agents that ask for it: the goals above it, its notes, what earlier tries lacked, what people said."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from services.executor.agents.base import Around
from shared.headings import headings, lines_of, place_of
from shared.ids import above, run_of
from shared.storage.port import Database, Doc

PASSING = frozenset({
    *("model_busy", "model_unreachable", "model_timed_out", "model_broke_off", "model_refused", "no_model", "not_judged"),
    *("bad_inputs", "sandbox_failed", "timed_out", "exception"),
})  # fmt: skip
"""Failures that say nothing about the work. They are kept from the next try, which then asks the same and is answered from the ledger."""
TRIES = 20
OUTPUT = 2_000
TASK_FIELDS = ("title", "description", "kind", "depth", "checks", "notes", "answers", "options")


async def around(database: Database, task_id: str) -> Around:
    """All of it for one task; the same as long as no new verdict or answer comes."""
    ancestors = above(task_id)
    found, failure = await asyncio.gather(
        database["tasks"].find({"_id": {"$in": [*ancestors, task_id]}}, TASK_FIELDS), _failure(database, task_id)
    )
    tasks = {doc["_id"]: doc for doc in found}
    task = tasks.get(task_id, {})
    line = [tasks[name] for name in ancestors if name in tasks]
    options = (line[0] if line else task).get("options") or {}
    return Around(
        goals=tuple((doc["title"], doc.get("description", "")) for doc in line),
        notes=await _notes(database, task_id, task.get("notes") or ()),
        checks=tuple(task.get("checks") or ()),
        failure=failure,
        answers=tuple((one["question"], one["answer"]) for one in task.get("answers") or ()),
        # A group was planned as one; a task with others below it that is none, work or a step that joins, was found too big.
        splits=sum(doc.get("kind") != "group" for doc in line),
        deepest=task.get("depth", 0) + 1 > options.get("max_depth", 8),
    )


async def _failure(database: Database, task_id: str) -> str:
    """Why the latest try that was judged by its work was not good enough, with the output of the checks."""
    where = {"_id": {"$gt": f"{task_id}:", "$lt": f"{task_id};"}, "judgement": "failed"}
    for doc in await database["verdicts"].find(where, ("error", "evidence", "epoch"), sort=(("epoch", -1),), limit=TRIES):
        error = doc.get("error") or {}
        if error.get("code") not in PASSING:
            outputs = [one["output"][-OUTPUT:] for one in doc.get("evidence") or () if not one["passed"] and one.get("output")]
            return "\n\n".join([str(error.get("message", "")), *outputs])
    return ""


async def _notes(database: Database, task_id: str, places: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The sections `file#heading` that the task comes from, as far as they are found; a file without `#` is given whole."""
    if not places:
        return ()
    submissions = await database["submissions"].find({"_id": run_of(task_id)}, ("event",))
    files = _files(submissions[0]) if submissions else {}
    found = {}
    for place in places:
        name, address = place_of(place, files)
        if text := section_of(files.get(name, ""), address):
            found[place] = text
    return tuple(found.items())


def _files(submission: Doc) -> Mapping[str, str]:
    event: Mapping[str, Any] = submission.get("event") or {}
    return {one["name"]: one["text"] for one in event.get("notes") or ()}


def section_of(text: str, address: str) -> str:
    """From the heading with this address to the next of its level; no address: all."""
    if not address:
        return text.strip()
    lines = lines_of(text)
    found = headings(lines)
    for place, heading in enumerate(found):
        if heading.address == address:
            end = next((other.line - 1 for other in found[place + 1 :] if other.level <= heading.level), len(lines))
            return "\n".join(lines[heading.line - 1 : end]).strip()
    return ""

"""The log lines that all services keep, searched by run, task, level and text."""

from collections.abc import Mapping
from typing import Any

from shared.ids import run_of, subtree
from shared.storage.port import Database, Doc
from shared.telemetry.logs import LOGS

LEVELS = ("debug", "info", "warning", "error", "critical")


class Logs:
    """The collection `logs`."""

    def __init__(self, database: Database) -> None:
        self._collection = database[LOGS.name]

    async def page(self, where: Mapping[str, Any], *, limit: int) -> list[Doc]:
        """Lines in the order of their ids."""
        return await self._collection.find(where, sort=(("_id", 1),), limit=limit)

    async def last(self, where: Mapping[str, Any], *, limit: int) -> list[Doc]:
        """The last lines, in the order of their ids."""
        return (await self._collection.find(where, sort=(("_id", -1),), limit=limit))[::-1]


def log_filter(*, run: str | None, task: str | None, level: str | None, grep: str | None, text: str | None) -> dict[str, Any]:
    """The filter for these. A task's lines are those of all below it as well; `level` is the lowest one that is shown."""
    where: dict[str, Any] = {}
    if run or task:
        where["run_id"] = run or run_of(task or "")
    if task and task != where["run_id"]:
        where["$or"] = [{"task_id": task}, {"task_id": subtree(task)}]
    if level:
        where["level"] = {"$in": list(LEVELS[LEVELS.index(level) :])}
    if grep:
        where["message"] = {"$regex": grep}
    if text:
        where["$text"] = {"$search": text}
    return where


def log_view(line: Mapping[str, Any]) -> dict[str, Any]:
    """`LogLine` as JSON."""
    return {
        "id": line["_id"], "ts": line["ts"], "level": line["level"], "service": line.get("service"), "runId": line.get("run_id"),
        "taskId": line.get("task_id"), "attempt": line.get("attempt"), "traceId": line.get("trace_id"), "event": line["event"],
        "message": line["message"],
    }  # fmt: skip

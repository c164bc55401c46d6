"""What the executor says, and the values that an attempt is made of."""

import re
from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.contracts.base import Event, Value

DATA_NAME, DATA_NEXT = "data.json", "data-{}.json"
DATA_FILE = re.compile(r"data(-[0-9]+)?\.json\Z")


class Outcome(StrEnum):
    """How an attempt ended, as its executor saw it. Only `executed` claims that the work was done."""

    RUNNING = "running"
    EXECUTED = "executed"
    FAILED = "failed"
    LOST = "lost"
    TOO_BIG = "too_big"
    ASKS = "asks"
    RELEASED = "released"
    CANCELLED = "cancelled"


class Artifact(Value):
    """A file that an attempt left, kept by content hash."""

    name: str
    uri: str
    sha256: str
    bytes: int = Field(ge=0)


class Result(Value):
    """What an attempt gives to its dependents."""

    summary: str = Field(default="", max_length=4_096)
    artifacts: tuple[Artifact, ...] = ()
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def data_file(self) -> str | None:
        """The artifact that holds the data, where no document could: `shared.artifacts.fit` adds it last. None: the data is here."""
        last = self.artifacts[-1].name if self.artifacts else ""
        return last if DATA_FILE.match(last) and self.data == {"artifact": last} else None


class TaskExecuted(Event, name="task.executed", said_by="executor", heard_by=("checker", "approvals"), carries="attempts"):
    """These attempts ended, well or not."""

    attempts: tuple[str, ...]


class AgentProgress(Event, name="agent.progress", said_by="executor", heard_by=("approvals",), durable=False, carries="lines"):
    """Lines for the live view: never needed, may be lost."""

    task_id: str
    lines: tuple[str, ...]

"""What a check is given, and the tools it works with."""

import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from shared.artifacts import files_in, names_hidden
from shared.catalogue.checks import CheckParams
from shared.contracts.checker import Evidence
from shared.contracts.executor import Result
from shared.errors import BadInput, TaskgroveError, Unavailable
from shared.models.port import Model
from shared.models.prompts import Prompts
from shared.models.settings import Commands
from shared.sandbox import Limits, Pool, Sandbox

Found = TypeVar("Found")

LISTED = 20
MOST_BYTES = 4 * 2**20
PATIENCE = 10.0
LIMITS = Limits(seconds=120, output_bytes=16 * 2**10)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: the result of one attempt. `files` lays its files out in a fresh directory, once, and gives that directory.

    `by_model` says that a language model decided the task's checks; `anew` is the order by which a person wants the task done again.
    """

    result: Result
    title: str
    files: Callable[[], Awaitable[Path]]
    env: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""
    task_id: str = ""
    attempt_id: str = ""
    by_model: bool = False
    anew: str = ""


class NotJudged(TaskgroveError):
    """The check could not be made, and says nothing about the work: a person has to look."""


class Check(Protocol):
    """Judges one thing. A check that is not passed is evidence, not an error.

    It raises only when it could not look: Unavailable, to be tried again, or NotJudged, when that has no end.
    """

    kind: str

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        """What was seen."""


@dataclass(frozen=True, slots=True)
class Judging:
    """What the check `model` judges with: who is asked, how, how much is shown, and how long one that is away is waited for."""

    model: Model
    prompts: Prompts
    most_bytes: int = 65_536
    patience_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What the checker's wiring gives to its checks. `limits.seconds` is replaced by the time-out of the check.

    `judging` is None where no language model is configured.
    """

    sandbox: Sandbox
    pool: Pool = field(default_factory=lambda: Pool(max(1, (os.cpu_count() or 1) // 2)))
    limits: Limits = LIMITS
    judging: Judging | None = None
    model_commands: Commands = "walls"

    @property
    def may_obey_models(self) -> bool:
        """Whether commands that a language model decided are run: without walls they could read what the service knows."""
        return self.sandbox.has_walls or self.model_commands == "always"

    def close(self) -> None:
        """End the processes of the pool."""
        self.pool.close()


async def judged(title: str, look: Awaitable[tuple[bool, str]]) -> Evidence:
    """What the look gave, as evidence. Whatever is wrong with the work or the check itself is not passed; Unavailable goes up."""
    try:
        passed, detail = await look
    except Unavailable:
        raise
    except TaskgroveError as error:
        passed, detail = False, str(error)
    return Evidence(check=title, passed=passed, detail=detail)


async def apart(pool: Pool, call: Callable[[], Found], *, what: str) -> Found:
    """What the call gives, made in a process of its own that is ended when it does not come back. Raises BadInput then."""
    try:
        found: Found = await pool.call(call, seconds=PATIENCE)
    except (TimeoutError, BrokenProcessPool) as error:
        raise BadInput(f"{what} did not come back within {PATIENCE:g} s: trying all that it allows takes too long; simplify it") from error
    return found


def there_are(directory: Path, wanted: str) -> str:
    """Which files there are, for the message that none is what is wanted."""
    names = [file.name for file in files_in(directory, hidden=True)]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    there = f"there are: {', '.join(names[:LISTED])}{more}" if names else "the task left no files"
    return there + (" (hidden files are kept only when `outputs:` names them)" if names_hidden(wanted) else "")

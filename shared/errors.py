"""Every error of the house. Where it ends is its fate: the consumer, the API and the command line read it from here."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

MOST_PROBLEMS = 100


class Fate(StrEnum):
    """What becomes of a message whose handler raised."""

    RETRY = "retry"
    QUARANTINE = "quarantine"


class TaskgroveError(Exception):
    """Base of all errors that we raise on purpose. The message says what happened, where, and what to do next."""

    fate = Fate.QUARANTINE
    exit_status = 1
    http_status = 500


class BadInput(TaskgroveError):
    """What was given cannot be used; giving it again changes nothing."""

    exit_status = 2
    http_status = 422


class NotesError(BadInput):
    """The notes do not describe a plan. Carries one line a problem, each with file, line and the way out."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        left = len(problems) - MOST_PROBLEMS
        super().__init__("\n".join([*problems[:MOST_PROBLEMS], *([f"… and {left} more; mend these first"] if left > 0 else [])]))


class LimitExceeded(BadInput):
    """Something is larger than the limit that is set for it."""

    http_status = 413


class NotFound(TaskgroveError):
    """There is nothing under that id."""

    exit_status = 2
    http_status = 404


class IllegalMove(TaskgroveError):
    """The task is in a phase from which this is not possible."""

    exit_status = 2
    http_status = 409

    def __init__(self, message: str, *, legal: list[str]) -> None:
        self.legal = legal
        super().__init__(message)


class Conflict(TaskgroveError):
    """Somebody was faster, or it was done already; look at what is there now."""

    exit_status = 2
    http_status = 409


class VersionMismatch(TaskgroveError):
    """What `If-Match` names is not the version that is there now."""

    exit_status = 2
    http_status = 412

    def __init__(self, message: str, *, current: int) -> None:
        self.current = current
        super().__init__(message)


class Unauthorized(TaskgroveError):
    """No valid API key came with the request."""

    exit_status = 2
    http_status = 401


class Forbidden(TaskgroveError):
    """The API key is valid, but its role does not allow this."""

    exit_status = 2
    http_status = 403


class Unavailable(TaskgroveError):
    """Broker or store, or a whole Taskgrove, cannot be reached now. Nothing is lost: what waits is tried again."""

    fate = Fate.RETRY
    exit_status = 4
    http_status = 503


class BrokerUnavailable(Unavailable):
    """The broker did not confirm in time, or there is no connection to it."""


class QueueFull(BrokerUnavailable):
    """A queue has no room. `refused` are the messages that it did not take; all others of the same publish are confirmed."""

    def __init__(self, message: str, *, refused: Sequence[Any]) -> None:
        self.refused = refused
        super().__init__(message)


class StoreUnavailable(Unavailable):
    """The store did not acknowledge in time, or there is no primary."""


class SandboxFailed(Unavailable):
    """Nothing can be run on this machine now. What was to be run has not begun."""


class AlreadyRunning(BadInput):
    """Another Taskgrove already uses this data directory."""


class MissingPart(BadInput):
    """A program that is needed is not installed; the message names the command that installs it."""


class AgentFailed(TaskgroveError):
    """The agent did not do the task. `permanent` says that trying the same again will not help."""

    def __init__(self, message: str, *, code: str = "agent_failed", permanent: bool = False) -> None:
        self.code = code
        self.permanent = permanent
        super().__init__(message)


class ModelFailed(AgentFailed):
    """The model gave no usable answer. `code` is model_refused, model_busy, model_unreachable, model_timed_out,
    model_broke_off or model_nonsense.

    `retry_after` is what the endpoint asked for, in seconds; None when it did not say.
    """

    def __init__(self, message: str, *, code: str, permanent: bool = False, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message, code=code, permanent=permanent)

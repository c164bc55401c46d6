"""One trace a run, across all services: the run's id is the trace's id, so whatever happens to a run, whenever, finds its trace."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from shared.ids import run_of
from shared.settings import CommonSettings

TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
SPAN_DIGITS = 16

standing: ContextVar[Mapping[str, str]] = ContextVar("standing", default={})  # noqa: B039 (never changed, only replaced)
"""Where this asyncio task stands in the trace of each run that it works on: run id → traceparent."""


@dataclass(frozen=True, slots=True)
class Over:
    """Something that has ended, and when: the span of a task or of a run is written afterwards, from what is stored."""

    task_id: str
    name: str
    started: datetime
    finished: datetime
    attributes: Mapping[str, str | int | float | bool]
    failed: bool
    again: bool = False
    """Whether it was over before: then its own span is written already."""


class Span(Protocol):
    """What is being done; facts that are learned while doing it can be added."""

    def note(self, name: str, value: str | float) -> None:
        """An attribute. Never what a task, a person or a model has written."""


class Traces(Protocol):
    """The spans of one service."""

    on: bool

    def handling(self, event: str, heard: Sequence[tuple[str, str | None]]) -> Any:
        """A context manager around a handler; `heard` has the run and the traceparent of each event of the batch."""

    def doing(self, name: str, task_id: str, **attributes: str | float) -> Any:
        """A context manager around work on one task; gives a Span, below that of the work around it, or else below the task's own."""

    def over(self, what: Over) -> None:
        """Write the span of a task, or of the run when it is the root, now that it has ended."""

    def close(self) -> None:
        """Send what waits; blocks at most some seconds."""


class _Unseen:
    def note(self, name: str, value: str | float) -> None:
        """Nobody watches."""


NOTHING: AbstractContextManager[Span] = nullcontext(_Unseen())
"""One for all: it is entered for each attempt and each verdict."""


class NoTraces:
    """Nothing is sent. Messages name their trace all the same, for those who trace on their own."""

    on = False

    def handling(self, event: str, heard: Sequence[tuple[str, str | None]]) -> AbstractContextManager[Span]:  # noqa: ARG002
        return NOTHING

    def doing(self, name: str, task_id: str, **attributes: str | float) -> AbstractContextManager[Span]:  # noqa: ARG002
        return NOTHING

    def over(self, what: Over) -> None:
        """Nobody watches."""

    def close(self) -> None:
        """Nothing waits."""


def traceable(run_id: str) -> bool:
    """Whether the id can be a W3C trace id: 32 lower-case hex digits, not all of them 0."""
    return TRACE_ID.fullmatch(run_id) is not None


def span_of(task_id: str) -> str:
    """The id of a task's own span, 16 hex digits, always the same: whoever works on the task knows the parent without asking."""
    run_id, dot, _ = task_id.partition(".")
    return sha256(task_id.encode()).hexdigest()[:SPAN_DIGITS] if dot or not traceable(run_id) else run_id[-SPAN_DIGITS:]


def traceparent(task_id: str) -> str | None:
    """The W3C trace context of a task's own span, of the run's when it is the root; None when its run's id is no trace id."""
    run_id = run_of(task_id)
    return f"00-{run_id}-{span_of(task_id)}-01" if traceable(run_id) else None


def here(run_id: str) -> str | None:
    """The trace context to say with something about this run, from where we stand."""
    return standing.get().get(run_id) or traceparent(run_id)


def open_traces(service: str, settings: CommonSettings) -> Traces:
    """As the settings say. Without an endpoint the OpenTelemetry SDK is not even imported."""
    if not settings.otlp_endpoint:
        return NoTraces()
    from shared.telemetry.otlp import OtlpTraces, provider  # noqa: PLC0415 (see above)

    return OtlpTraces(provider(service, settings.otlp_endpoint, ratio=settings.trace_ratio))

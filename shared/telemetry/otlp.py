"""Spans by the OpenTelemetry SDK, sent by OTLP over HTTP. The names of attributes stand here and nowhere else.

They follow https://opentelemetry.io/docs/specs/semconv/messaging/ (RabbitMQ), still in development there.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from shared.ids import run_of
from shared.telemetry.traces import Over, Span, standing, traceparent

MOST_WAITING = 32_768
MOST_TOGETHER = 2_048
SEND_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
MOST_RUNS = 50
MOST_LINKS = 16
PARTS = 4

_chosen: ContextVar[SpanContext | None] = ContextVar("chosen", default=None)
_nested: ContextVar[str] = ContextVar("nested", default="")


class _Ids(RandomIdGenerator):
    """Random ids, unless they were chosen."""

    def generate_trace_id(self) -> int:
        chosen = _chosen.get()
        return chosen.trace_id if chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        chosen = _chosen.get()
        return chosen.span_id if chosen else super().generate_span_id()


class _OfRuns(TraceIdRatioBased):
    """A share of the runs, by a hash of their ids: of a UUIDv7 the bits that the SDK looks at are no even draw."""

    def should_sample(self, parent_context: Context | None, trace_id: int, *rest: Any, **named: Any) -> SamplingResult:
        """Whether the spans of this trace are sent; the same in every process."""
        drawn = int.from_bytes(sha256(trace_id.to_bytes(16, "big")).digest()[:8], "big")
        return super().should_sample(parent_context, drawn, *rest, **named)


class _Seen:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, name: str, value: str | float) -> None:
        """An attribute, `taskgrove.` before its name unless it has a standard one."""
        self._span.set_attribute(_named(name), value)


class OtlpTraces:
    """The spans of one service."""

    on = True

    def __init__(self, tracing: TracerProvider) -> None:
        self._provider = tracing
        self._tracer = tracing.get_tracer("taskgrove")

    @contextmanager
    def handling(self, event: str, heard: Sequence[tuple[str, str | None]]) -> Iterator[None]:
        """One span a run that the batch is about, up to a limit: its parent is who said the first event, the others are linked."""
        said: dict[str, list[str]] = defaultdict(list)
        for run_id, parent in heard:
            if known := parent or traceparent(run_id):
                said[run_id].append(known)
        with ExitStack() as spans:
            stands = {}
            for number, (run_id, parents) in enumerate(said.items()):
                stands[run_id] = parents[0] if number >= MOST_RUNS else spans.enter_context(self._hearing(event, parents, count=len(heard)))
            token = standing.set(stands)
            try:
                yield
            finally:
                standing.reset(token)

    @contextmanager
    def doing(self, name: str, task_id: str, **attributes: str | float) -> Iterator[Span]:
        """A span below the task's own, or below where we stand when that is about the same run and inside `doing` already."""
        run_id = run_of(task_id)
        parent = nested if (nested := _nested.get()).startswith(f"00-{run_id}-") else traceparent(task_id)
        own = {"taskgrove.task.id": task_id, **{_named(key): value for key, value in attributes.items()}}
        with self._span(name, parent, attributes=own) as span:
            token, inside = standing.set({**standing.get(), run_id: _written(span)}), _nested.set(_written(span))
            try:
                yield _Seen(span)
            finally:
                _nested.reset(inside)
                standing.reset(token)

    def over(self, what: Over) -> None:
        """The span of a task under its parent's, with the id that all its parts named as theirs already; of a later life below that one."""
        own = _context(traceparent(what.task_id))
        if own is None:
            return
        chosen = _chosen.set(None if what.again else own)
        try:
            span = self._tracer.start_span(
                what.name,
                context=_below(traceparent(what.task_id if what.again else what.task_id.rpartition(".")[0])),
                attributes={"taskgrove.task.id": what.task_id, **{_named(key): value for key, value in what.attributes.items()}},
                start_time=_nanoseconds(what.started),
            )
        finally:
            _chosen.reset(chosen)
        if what.failed:
            span.set_status(StatusCode.ERROR)
        span.end(_nanoseconds(what.finished))

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()

    @contextmanager
    def _hearing(self, event: str, parents: Sequence[str], *, count: int) -> Iterator[str]:
        with self._span(
            f"process {event}",
            parents[0],
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "rabbitmq",
                "messaging.operation.type": "process",
                "messaging.destination.name": event,
                "messaging.batch.message_count": count,
            },
            links=[Link(context) for parent in dict.fromkeys(parents[1 : MOST_LINKS + 1]) if (context := _context(parent))],
        ) as span:
            yield _written(span)

    @contextmanager
    def _span(self, name: str, parent: str | None, **facts: Any) -> Iterator[trace.Span]:
        """A span under `parent`; an error marks it by its type alone: its message may hold what a task, a person or a model wrote."""
        with self._tracer.start_as_current_span(
            name, context=_below(parent), record_exception=False, set_status_on_exception=False, **facts
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise


def provider(service: str, endpoint: str, *, ratio: float) -> TracerProvider:
    """Sends the spans of this service to `endpoint`, the base URL of an OTLP/HTTP receiver; of each run all or nothing, by its id."""
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": "taskgrove",
            "service.version": version("taskgrove"),
            "service.instance.id": f"{os.uname().nodename}:{os.getpid()}",
        }
    )
    made = TracerProvider(resource=resource, sampler=_OfRuns(ratio), id_generator=_Ids(), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=TIMEOUT_SECONDS)
    made.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=MOST_WAITING,
            max_export_batch_size=MOST_TOGETHER,
            schedule_delay_millis=SEND_SECONDS * 1_000,
            export_timeout_millis=TIMEOUT_SECONDS * 1_000,
        )
    )
    return made


def _context(written: str | None) -> SpanContext | None:
    """A traceparent as the SDK's context; None for one that is malformed: it came from outside."""
    parts = (written or "").split("-")
    try:
        trace_id, span_id = int(parts[1], 16), int(parts[2], 16)
    except (IndexError, ValueError):
        return None
    made = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return made if made.is_valid and len(parts) == PARTS else None


def _below(parent: str | None) -> Context:
    """The SDK's context under `parent`."""
    known = _context(parent)
    return trace.set_span_in_context(NonRecordingSpan(known), Context()) if known else Context()


def _written(span: trace.Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & TraceFlags.SAMPLED:02x}"


def _named(name: str) -> str:
    return name if "." in name else f"taskgrove.{name}"


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000

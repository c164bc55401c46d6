"""Structured logs: JSON lines on stderr, and the same lines in the store, batched, searchable by run, task, level and text."""

import asyncio
import json
import logging
import sys
from collections import deque
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from shared.bell import Bell
from shared.errors import StoreUnavailable
from shared.ids import new_id, run_of, task_of
from shared.storage.port import Collection, Doc, Index, Schema
from shared.telemetry.metrics import ServiceMetrics

KEEP_SECONDS = 14 * 24 * 3600
MOST_WAITING = 50_000
MOST_WAITING_BYTES = 32 * 2**20
MOST_MESSAGE = 16 * 1024
OVERHEAD = 300
FLUSH_SECONDS = 0.25
OWN_FIELDS = ("ts", "level", "service", "run_id", "task_id", "attempt", "trace_id", "event")

LOGS = Schema(
    "logs",
    (
        Index((("run_id", 1), ("_id", 1))),
        Index((("ts", 1),), expire_after=KEEP_SECONDS),
        Index((("message", "text"),)),
    ),
)

Line = MutableMapping[str, Any]


class LogStore:
    """Takes lines without waiting and writes them in batches. When the store is too slow, the oldest go, and are counted."""

    def __init__(self, collection: Collection, metrics: ServiceMetrics) -> None:
        self._collection = collection
        self._metrics = metrics
        self._waiting: deque[Doc] = deque()
        self._size = 0
        self._bell = Bell()

    def take(self, line: Line) -> None:
        """Keep a line for the next write."""
        doc = _document(line)
        self._waiting.append(doc)
        self._size += _size(doc)
        self._bound()
        self._bell.ring()

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._bell.rung()
            await asyncio.sleep(FLUSH_SECONDS)
            if self._waiting:
                await self.flush()

    async def flush(self) -> None:
        """Write all that waits now; a store that does not answer keeps its lines waiting."""
        lines = list(self._waiting)
        self._waiting.clear()
        self._size = 0
        try:
            for at in range(0, len(lines), 1_000):
                await self._collection.insert(lines[at : at + 1_000])
        except StoreUnavailable:
            self._waiting.extendleft(reversed(lines))
            self._size = sum(_size(doc) for doc in self._waiting)
            self._bound()
            self._bell.ring()

    def _bound(self) -> None:
        while len(self._waiting) > MOST_WAITING or self._size > MOST_WAITING_BYTES:
            self._size -= _size(self._waiting.popleft())
            self._metrics.log_lines_dropped.inc()


_stores: dict[str, LogStore] = {}


def keep(service: str, store: LogStore | None) -> None:
    """From now on lines of this service are kept in `store`; None ends that."""
    if store is None:
        _stores.pop(service, None)
    else:
        _stores[service] = store


def configure(*, level: str, stream: Any = None) -> None:
    """Send all lines of this process, structlog's and the standard library's, through one chain. Call once, at start."""
    shared_chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _place,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared_chain, _keep_line, _render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared_chain, processor=_render_foreign))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for noisy in ("aio_pika", "aiormq", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _place(_logger: Any, _name: str, line: Line) -> Line:
    """Each line says where it belongs: an attempt names its task, a task its run, a run its trace."""
    if (attempt := line.get("attempt")) and "task_id" not in line:
        line["task_id"] = task_of(attempt)
    if (task := line.get("task_id")) and "run_id" not in line:
        line["run_id"] = run_of(task)
    if run := line.get("run_id"):
        line.setdefault("trace_id", run)
    line.setdefault("ts", datetime.now(UTC))
    return line


def _keep_line(_logger: Any, _name: str, line: Line) -> Line:
    if store := _stores.get(line.get("service", "")):
        store.take(line)
    return line


def _render(_logger: Any, _name: str, line: Line) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a lone surrogate, an integer over 64 bits: a line of the log must never fail whoever writes it
        return json.dumps({str(key): str(value) for key, value in line.items()})


def _render_foreign(_logger: Any, _name: str, line: Line) -> str:
    return _render(_logger, _name, {key: value for key, value in line.items() if not key.startswith("_")})


def _document(line: Line) -> Doc:
    doc: Doc = {"_id": new_id(), **{key: _text(line.get(key)) for key in OWN_FIELDS}, "ts": line.get("ts") or datetime.now(UTC)}
    extra = {key: value for key, value in line.items() if key not in OWN_FIELDS and key != "text"}
    rest = " ".join(f"{key}={value}" for key, value in extra.items())
    doc["message"] = _text(line["text"] if "text" in line else f"{line['event']} {rest}".strip())
    return doc


def _size(doc: Doc) -> int:
    """About how much memory it takes."""
    return OVERHEAD + len(doc["message"])


def _text(value: Any) -> str | None:
    """As text that any store takes, and not too much of it."""
    return None if value is None else str(value)[:MOST_MESSAGE].encode("utf-8", "backslashreplace").decode()

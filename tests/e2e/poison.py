"""Messages that no service can use, of every kind that we could think of: how each is made, and what must become of it."""

import gzip
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.ids import new_id
from tests.e2e.raw_amqp import field, properties, short, table

SERVICES = ("planner", "sequencer", "executor", "checker", "approvals")
SLICES = {"planner": "plans", "sequencer": "tasks", "executor": "attempts", "checker": "verdicts", "approvals": "approvals"}
"""What each service takes out of an import."""

IGNORED = ""
"""The outcome of a message that is understood and means nothing: nobody is harmed, and nothing is put aside."""

Expected = str | Mapping[str, str]
Make = Callable[[str, str], "Sent"]


@dataclass(frozen=True)
class Sent:
    """One message: its body, and its properties as they go over the wire."""

    body: bytes
    properties: bytes


@dataclass(frozen=True)
class Kind:
    """`make(service, message id)`; `becomes` is what the reason in quarantine says, for all services or for each; IGNORED: none."""

    name: str
    make: Make
    becomes: Expected

    def reason(self, service: str) -> str:
        """What it must say in quarantine."""
        return self.becomes if isinstance(self.becomes, str) else self.becomes.get(service, IGNORED)


def data_of(service: str, run_id: str, *, task: str = "", epoch: str = "1") -> dict[str, Any]:
    """The data of an event that the service hears, about a task of this run."""
    task = task or f"{run_id}.1"
    attempt = f"{task}:{epoch}"
    return {
        "planner": {"runId": run_id, "taskId": task, "version": 1, "reason": "expand"},
        "sequencer": {"runId": run_id, "verdicts": [attempt]},
        "executor": {"runId": run_id, "attempts": [attempt]},
        "checker": {"runId": run_id, "attempts": [attempt]},
        "approvals": {"runId": run_id, "tasks": [task]},
    }[service]


TYPES = {
    "planner": "plan.requested", "sequencer": "task.verified", "executor": "task.ready", "checker": "task.executed",
    "approvals": "task.completed",
}  # fmt: skip


def event(service: str, data: Any = None, **changes: Any) -> dict[str, Any]:
    """A CloudEvent that the service hears, about a run that there is not."""
    whole = {
        "specversion": "1.0", "id": new_id(), "source": "/tests", "type": f"dev.taskgrove.{TYPES[service]}.v1",
        "data": data_of(service, new_id()) if data is None else data,
    }  # fmt: skip
    return whole | changes


def asked(context: Any) -> dict[str, Any]:
    """An `approval.requested` with a context of the sender's choice: the one place where a message may hold anything."""
    run_id = new_id()
    question = {"kind": "question", "title": "t", "question": "q", "choices": ["answer"], "digest": "d", "context": context}
    data = {"runId": run_id, "taskId": f"{run_id}.1", "approvalId": f"{run_id}.1:1:question", **question}
    return event("approvals", data, type="dev.taskgrove.approval.requested.v1")


def text(body: bytes | str, **more: bytes) -> Make:
    """The same bytes for everybody."""
    raw = body if isinstance(body, bytes) else body.encode()
    return lambda _service, name: Sent(raw, properties(message_id=short(name.encode()), **more))


def said(make: Callable[[str], Any], **more: bytes) -> Make:
    """JSON of what `make` gives for the service."""
    return lambda service, name: Sent(json.dumps(make(service)).encode(), properties(message_id=short(name.encode()), **more))


def about(*, task: str = "", epoch: str = "1", run_id: str = "") -> Make:
    """A well-formed event about odd ids."""
    return said(lambda service: event(service, data_of(service, run_id or new_id(), task=task, epoch=epoch)))


def nested(levels: int) -> str:
    """JSON objects in each other."""
    return '{"a":' * levels + "1" + "}" * levels


def _deep(levels: int) -> Make:
    """The one field that may hold anything, for approvals; for the others a field that they do not know."""

    def make(service: str, name: str) -> Sent:
        whole = asked("DEEP") if service == "approvals" else event(service, data_of(service, new_id()) | {"more": "DEEP"})
        return Sent(json.dumps(whole).replace('"DEEP"', nested(levels)).encode(), _named(name))

    return make


def _twice_named(service: str, name: str) -> Sent:
    good = json.dumps(event(service))
    return Sent(good.replace('"specversion"', '"specversion": "7.0", "id": "other", "specversion"', 1).encode(), _named(name))


def _beside_good(service: str, name: str) -> Sent:
    return Sent(json.dumps([event(service), {"type": 7}, event(service)]).encode(), _named(name))


def _numbered(service: str, number: Any) -> Any:
    if service == "approvals":
        return asked({"n": number})
    data = data_of(service, new_id(), epoch=str(number))
    return event(service, data | {"version": number} if service == "planner" else data)


def _named(name: str) -> bytes:
    return properties(message_id=short(name.encode()))


def _headers(fields: Sequence[bytes]) -> bytes:
    return table(b"".join(fields))


ODD_HEADERS = _headers(
    [
        field(b"traceparent", b"I", struct.pack(">i", -1)),
        field(b"x-replay", b"t", b"\x01"),
        field(b"x-first-death-queue", b"d", struct.pack(">d", 0.5)),
        field(b"nothing", b"V", b""),
        field(b"nested", b"F", _headers([field(b"a", b"A", struct.pack(">I", 0))])),
    ]
)
LATE = struct.pack(">Q", 2**62)
BAD_ATTEMPT = "is not an attempt id"
NUMBER = dict.fromkeys(("planner", "approvals"), "8-byte ints")
INFINITE = dict.fromkeys(("planner", "approvals"), "not JSON: number is infinity")

KINDS = (
    Kind("not JSON", text("{ nothing"), "not JSON"),
    Kind("truncated JSON", lambda service, name: Sent(json.dumps(event(service)).encode()[:-9], _named(name)), "not JSON"),
    Kind("empty body", text(b""), "not JSON"),
    Kind("wrong encoding", text(json.dumps({"a": "é"}, ensure_ascii=False).encode("utf-16")), "not JSON"),
    Kind("zipped", text(gzip.compress(b"{}"), content_encoding=short(b"gzip"), content_type=short(b"image/png")), "not JSON"),
    Kind("good body, wrong content type", said(event, content_type=short(b"image/png")), IGNORED),
    Kind("20 MB", text(b" " * 20_000_000), "20000000 bytes are more than"),
    Kind("not an object", text(b"7"), "not a CloudEvent 1.0"),
    Kind("an empty batch", text(b"[]"), "an empty batch"),
    Kind("data of the wrong shape", said(lambda service: event(service, ["runId"])), "data"),
    Kind("a field of the wrong type", said(lambda service: event(service, data_of(service, "r") | {"runId": {"$gt": ""}})), "runId"),
    Kind("unknown type", said(lambda service: event(service, type="dev.taskgrove.task.exploded.v1")), "is not known"),
    Kind(
        "newer version",
        said(lambda service: event(service, type=f"dev.taskgrove.{TYPES[service]}.v2")),
        "another version than this service",
    ),
    Kind("no properties", lambda _service, _name: Sent(b"{}", properties()), "not a CloudEvent 1.0"),
    Kind("headers of wrong types", text("{", headers=ODD_HEADERS), "not JSON"),
    Kind("one bad among good", _beside_good, "not a CloudEvent 1.0"),
    Kind("NaN", text('{"specversion": "1.0", "id": "1", "data": {"n": NaN}}'), "not JSON"),
    Kind("Infinity", text('{"specversion": "1.0", "id": "1", "data": {"n": -Infinity}}'), "not JSON"),
    Kind("lone surrogate", text('{"specversion": "1.0", "id": "\\ud800", "data": {}}'), "not JSON"),
    Kind("NUL in ids", about(task="a\0b.1"), IGNORED),
    Kind("$ and . in ids", about(task="$where.$ne..a.1", run_id="$where"), IGNORED),
    Kind("a run that there is not", said(event), IGNORED),
    Kind("a task of another run", about(run_id=new_id(), task=f"{new_id()}.1"), IGNORED),
    Kind("an epoch below zero", said(lambda service: _numbered(service, -1)), {"executor": BAD_ATTEMPT}),
    Kind("an epoch that is no number", about(epoch="²"), {"executor": BAD_ATTEMPT}),
    Kind("a number over 64 bits", said(lambda service: _numbered(service, 2**63 + 1)), NUMBER | {"executor": BAD_ATTEMPT}),
    Kind("a number of 400 digits", said(lambda service: _numbered(service, 10**400)), INFINITE | {"executor": BAD_ATTEMPT}),
    Kind("10 000 levels deep", text(nested(10_000)), "not JSON: depth limit exceeded"),
    Kind("900 levels deep", _deep(900), "not a CloudEvent 1.0"),
    Kind("220 levels deep", _deep(220), {"approvals": "nested object depth"}),
    Kind("keys twice", _twice_named, IGNORED),
    Kind("a date out of range", said(lambda service: event(service, time="99999-13-32T25:00:00Z")), "time"),
    Kind("an id that is no text", lambda _s, _n: Sent(b"{", properties(message_id=short(b"\xff\xfe"))), "not JSON"),
    Kind("a date property out of range", text("{", timestamp=LATE), "not JSON"),
    Kind("a date header out of range", text("{", headers=_headers([field(b"at", b"T", LATE)])), "not JSON"),
    Kind("a header name that is no text", text("{", headers=_headers([field(b"\xff", b"V", b"")])), "not JSON"),
)

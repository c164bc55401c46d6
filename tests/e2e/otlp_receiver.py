"""An OTLP/HTTP receiver for tests: keeps the spans that it gets."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Got:
    """One span, ids as hex digits, times in nanoseconds."""

    service: str
    name: str
    trace: str
    span: str
    parent: str
    started: int
    ended: int
    failed: bool
    attributes: dict[str, Any]


@dataclass
class Receiver:
    """Where it listens, and what it got."""

    url: str = ""
    spans: list[Got] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def of(self, run_id: str) -> list[Got]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace == run_id]

    def take(self, body: bytes) -> None:
        """Keep what a request holds, and the request as it came."""
        self.bodies.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(one.value.string_value for one in group.resource.attributes if one.key == "service.name")
            for scope in group.scope_spans:
                self.spans += [_got(service, span) for span in scope.spans]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _got(service: str, span: Any) -> Got:
    attributes = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    return Got(service, span.name, *ids, span.start_time_unix_nano, span.end_time_unix_nano, span.status.code == 2, attributes)

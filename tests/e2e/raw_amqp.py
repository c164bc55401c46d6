"""Messages as a faulty or hostile program would send them: properties byte by byte, which no well-behaved client lets pass."""

import asyncio
import struct
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from pamqp import base, commands, frame
from pamqp.header import ProtocolHeader

FRAME_MAX = 131_072
CHANNEL = 1
BASIC = 60


class RawPublisher:
    """One connection, one channel, publisher confirms. Only what these tests need of AMQP 0.9.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, url: str) -> "RawPublisher":
        """Log in and open the channel."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        raw = cls(reader, writer)
        writer.write(ProtocolHeader().marshal())
        await raw._read()
        login = f"\0{unquote(parts.username or 'guest')}\0{unquote(parts.password or 'guest')}"
        raw._send(commands.Connection.StartOk(client_properties={}, mechanism="PLAIN", response=login, locale="en_US"), channel=0)
        await raw._read()
        raw._send(commands.Connection.TuneOk(channel_max=2, frame_max=FRAME_MAX, heartbeat=0), channel=0)
        raw._send(commands.Connection.Open(virtual_host=unquote(parts.path.removeprefix("/")) or "/"), channel=0)
        await raw._read()
        raw._send(commands.Channel.Open(), channel=CHANNEL)
        await raw._read()
        raw._send(commands.Confirm.Select(), channel=CHANNEL)
        await raw._read()
        return raw

    async def publish(self, queue: str, body: bytes, properties: bytes = struct.pack(">H", 0)) -> None:
        """Straight to a queue; returns once the broker has it. `properties` are flags and values as they go over the wire."""
        self._send(commands.Basic.Publish(exchange="", routing_key=queue, mandatory=True), channel=CHANNEL)
        self._frame(2, struct.pack(">HHQ", BASIC, 0, len(body)) + properties)
        step = FRAME_MAX - 8
        for at in range(0, len(body), step):
            self._frame(3, body[at : at + step])
        await self._writer.drain()
        answer = await self._read()
        assert isinstance(answer, commands.Basic.Ack), f"the broker did not take it: {answer!r}"

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def _send(self, method: base.Frame, *, channel: int) -> None:
        self._writer.write(frame.marshal(method, channel))

    def _frame(self, kind: int, payload: bytes) -> None:
        self._writer.write(struct.pack(">BHI", kind, CHANNEL, len(payload)) + payload + b"\xce")

    async def _read(self) -> object:
        head = await asyncio.wait_for(self._reader.readexactly(7), 10)
        (length,) = struct.unpack(">I", head[3:])
        return frame.unmarshal(head + await self._reader.readexactly(length + 1))[2]


def properties(**given: bytes) -> bytes:
    """The flags and the values, in the order of the specification. A value is what stands on the wire, its length included."""
    order: Sequence[str] = (
        *("content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to", "expiration"),
        *("message_id", "timestamp", "type", "user_id", "app_id"),
    )
    flags = sum(1 << (15 - order.index(name)) for name in given)
    return struct.pack(">H", flags) + b"".join(given[name] for name in order if name in given)


def short(text: bytes) -> bytes:
    """A short string."""
    return bytes([len(text)]) + text


def table(fields: bytes) -> bytes:
    """A field table of fields as they stand on the wire: name, type, value."""
    return struct.pack(">I", len(fields)) + fields


def field(name: bytes, kind: bytes, value: bytes) -> bytes:
    """One field."""
    return short(name) + kind + value

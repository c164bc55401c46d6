"""Properties that the client cannot decode: the message arrives all the same, and the bytes behind them are read where they begin."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp import decode, encode

from shared.messaging.lenient import UNREADABLE, be_lenient, short_string, table, timestamp

BEHIND = b"behind"


def fields(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


@pytest.mark.parametrize(
    ("read", "data", "value"),
    [
        (short_string, b"\x03abc", "abc"),
        (short_string, b"\x00", ""),
        (short_string, b"\x03a\xff\xfe", "a\\xff\\xfe"),
        (timestamp, struct.pack(">Q", 1_700_000_000), datetime.fromtimestamp(1_700_000_000, UTC)),
        (timestamp, struct.pack(">Q", 2**62), None),
        (table, encode.field_table({"a": 1, "b": {"c": "d"}}), {"a": 1, "b": {"c": "d"}}),
        (table, fields(b"\x01\xffI\x00\x00\x00\x01"), {UNREADABLE: repr(b"\x01\xffI\x00\x00\x00\x01")}),
        (table, fields(b"\x01a?"), {UNREADABLE: repr(b"\x01a?")}),
        (table, fields(b"\x09a"), {UNREADABLE: repr(b"\x09a")}),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value)[:40],
)
def test_a_value_is_read_or_shown_and_never_raises(read: Callable[[bytes], tuple[int, Any]], data: bytes, value: object) -> None:
    consumed, found = read(data + BEHIND)
    assert found == value
    assert (data + BEHIND)[consumed:] == BEHIND


def test_headers_within_headers_beyond_all_depth_cost_nobody_the_connection() -> None:
    raw = b""
    for _ in range(5_000):
        raw = b"\x01aF" + fields(raw)
    consumed, found = table(fields(raw) + BEHIND)
    assert consumed == len(raw) + 4
    assert set(found) == {UNREADABLE}
    assert len(str(found[UNREADABLE])) < 20_000


def test_the_client_reads_by_these() -> None:
    be_lenient()
    assert decode.by_type(b"\x01\xff", "shortstr") == (2, "\\xff")
    assert decode.by_type(struct.pack(">Q", 2**62), "timestamp") == (8, None)
    late = b"\x02atT" + struct.pack(">Q", 2**62)
    assert decode.by_type(fields(late), "table") == (len(late) + 4, {"at": None})

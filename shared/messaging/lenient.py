"""What the AMQP client cannot decode must not cost the connection: the message would come again and again, and none behind it.

pamqp raises for a property that is no UTF-8, a date beyond the year 9999 or a header of an unknown kind; aiormq closes the connection for
it, and the broker delivers the same message anew, once dead-lettered for ever. Such a value is made readable or left out instead.
"""

from collections.abc import Callable
from datetime import datetime
from struct import unpack_from
from typing import TypeVar

from pamqp import decode
from pamqp.common import FieldTable

UNREADABLE = "x-unreadable-headers"
KEPT_BYTES = 2_000

Read = TypeVar("Read")


def be_lenient() -> None:
    """From now on, for all connections of this process. Doing it again changes nothing."""
    decode.METHODS.update({"shortstr": short_string, "timestamp": timestamp, "table": table})
    decode.TABLE_MAPPING[b"T"] = timestamp


def short_string(data: bytes) -> tuple[int, str]:
    """Text; bytes that are none are shown as escapes."""
    end = 1 + data[0]
    return end, data[1:end].decode("utf-8", "backslashreplace")


def timestamp(data: bytes) -> tuple[int, datetime | None]:
    """A date, or nothing where Python has none for it."""
    nothing: tuple[int, datetime | None] = (8, None)
    return _or_else(decode.timestamp, data, otherwise=nothing)


def table(data: bytes) -> tuple[int, FieldTable]:
    """Headers; where one of them cannot be read, all of them as they came, in one."""
    end = 4 + int(unpack_from(">I", data)[0])
    as_it_came: tuple[int, FieldTable] = (end, {UNREADABLE: repr(data[4 : min(end, KEPT_BYTES)])})
    return _or_else(decode.field_table, data, otherwise=as_it_came)


def _or_else(read: Callable[[bytes], Read], data: bytes, *, otherwise: Read) -> Read:
    try:
        return read(data)
    except Exception:  # noqa: BLE001 (a stranger's bytes: ValueError, OverflowError, RecursionError and whatever else they bring about)
        return otherwise

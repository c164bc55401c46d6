"""What MongoDB makes of a value: copied, dates in whole milliseconds and UTC, tuples as lists, and in BSON's order of kinds."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from shared.errors import BadInput

LEAST_INTEGER, GREATEST_INTEGER = -(2**63), 2**63 - 1
UNCHANGED = frozenset({type(None), bool, bytes, float})
DEEPEST = 180
"""Levels of documents and arrays, with the document itself."""

KINDS: tuple[tuple[int, tuple[type, ...]], ...] = (
    (7, (bool,)),
    (2, (int, float)),
    (3, (str,)),
    (4, (dict, Mapping)),
    (5, (list,)),
    (6, (bytes,)),
    (8, (datetime,)),
)
EXACTLY = {type(None): 0} | {exact: rank for rank, types in KINDS for exact in types}


def stored(value: Any, *, room: int = DEEPEST) -> Any:
    """`value` as it would come back from MongoDB; shares nothing with what was given. Raises BadInput for what has no place there."""
    if type(value) in UNCHANGED:
        return value
    if isinstance(value, str):
        return _text(value)
    if not isinstance(value, (dict, list, tuple, Mapping)):
        return _scalar(value)
    if not room:
        raise BadInput(f"a document is nested deeper than {DEEPEST} levels")
    if isinstance(value, (list, tuple)):
        return [stored(item, room=room - 1) for item in value]
    return {_key(key): stored(item, room=room - 1) for key, item in value.items()}


def in_64_bits(value: int) -> int:
    """The integer, where it fits; raises BadInput."""
    if LEAST_INTEGER <= value <= GREATEST_INTEGER:
        return int(value)
    raise BadInput(f"{value} does not fit into 64 bits")


def copied(value: Any) -> Any:
    """A copy of a stored value that shares nothing with it that could be changed."""
    if isinstance(value, dict):
        return {key: copied(item) if isinstance(item, (dict, list)) else item for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def kind(value: Any) -> int:
    """Where this kind of value stands among the others; what is missing or null comes first."""
    exact = EXACTLY.get(type(value))
    return next((rank for rank, types in KINDS if isinstance(value, types)), 0) if exact is None else exact


def order(value: Any) -> tuple[int, Any]:
    """A key that sorts any two stored values as MongoDB does."""
    rank = kind(value)
    if isinstance(value, dict):
        return rank, [(kind(item), key, order(item)) for key, item in value.items()]
    if isinstance(value, list):
        return rank, [order(item) for item in value]
    if is_nan(value):
        return rank, -math.inf
    if isinstance(value, bytes):
        return rank, (len(value), value)
    return rank, value if rank else 0


def same(one: Any, other: Any) -> bool:
    """Equality as MongoDB has it: 1 is 1.0 but not true, and the order of fields counts."""
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return order(one) == order(other)


def is_nan(value: Any) -> bool:
    """Whether it is the number that is none: it sorts before all others, and is compared with itself only."""
    return isinstance(value, float) and math.isnan(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, int):
        return in_64_bits(value)
    if isinstance(value, (bytes, float)):
        return value
    raise BadInput(f"a {type(value).__name__} cannot be stored")


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadInput(f"no text: {error}") from error
    return str.__str__(value)


def _moment(value: datetime) -> datetime:
    try:
        aware = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError as error:
        raise BadInput(f"no date: {error}") from error
    return aware.replace(microsecond=aware.microsecond // 1_000 * 1_000)


@lru_cache(maxsize=4_096)
def _key(key: Any) -> str:
    if not isinstance(key, str) or "\0" in key:
        raise BadInput(f"{key!r} cannot be the name of a field")
    return _text(key)

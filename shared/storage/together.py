"""Updates that give each document fields of its own, made one: MongoDB takes half as long for it, as it plans and answers once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bson import encode
from bson.raw_bson import RawBSONDocument

from shared.storage.port import Doc, ServerNow, Update

LEAST, MOST = 4, 1_000
"""For each document MongoDB looks through the list of ids: of many thousands that would take longer than it saves."""
MOST_BYTES = 4 * 2**20
SURELY_FLAT = 1_000
"""Bytes. A larger document may be nested so deeply that it would not go into an update of many."""
DEEPEST, LARGEST = 100, 2**20


def runs(updates: Sequence[Update]) -> Iterator[Sequence[Update]]:
    """These updates in order, with those that follow each other and may be one together."""
    start, last, ids = 0, None, set[str]()
    for at, update in enumerate(updates):
        kind = _kind(update)
        name = update.where.get("_id")
        if at > start and (kind is None or kind != last or name in ids):
            yield updates[start:at]
            start, ids = at, set()
        last = kind
        if isinstance(name, str):
            ids.add(name)
    if updates:
        yield updates[start:]


def together(run: Sequence[Update]) -> list[tuple[Doc, list[Doc]]]:
    """A run as few filters and pipelines; none, where it is too short or holds what goes only by itself."""
    if len(run) < LEAST:
        return []
    encoded = [encode(dict(sorted(update.change["$set"].items()))) for update in run]  # new fields come in the order of $set
    if not all(_goes_with_others(one, update) for one, update in zip(encoded, run, strict=True)):
        return []
    found, start, room = [], 0, MOST_BYTES
    for at, one in enumerate(encoded):
        room -= len(one)
        if at - start == MOST or (room < 0 and at > start):
            found.append(_one(run[start:at], encoded[start:at]))
            start, room = at, MOST_BYTES - len(one)
    return [*found, _one(run[start:], encoded[start:])]


def _goes_with_others(encoded: bytes, update: Update) -> bool:
    """What MongoDB may refuse for its size or depth must be refused by itself."""
    return len(encoded) <= SURELY_FLAT or (len(encoded) <= LARGEST and _is_flat(update.change["$set"], DEEPEST))


def _kind(update: Update) -> tuple[object, Any] | None:
    """What updates have in common that may be one: all of the filter but the id, and what they take away. None: it goes by itself."""
    own, gone = update.change.get("$set"), update.change.get("$unset", {})
    if not own or update.upsert or not isinstance(update.where.get("_id"), str) or len(update.change) > 1 + bool(gone):
        return None
    if any("." in path for path in (*own, *gone)) or any(isinstance(value, ServerNow) for value in own.values()):
        return None
    rest = tuple((name, condition) for name, condition in update.where.items() if name != "_id")
    if all(type(condition) is str for _, condition in rest):
        return rest, gone
    if any(name.startswith("$") or any(isinstance(one, ServerNow) for one in _operands(condition)) for name, condition in rest):
        return None
    return encode(dict(rest)), gone  # as MongoDB sees it: to Python 1 and true are equal


def _operands(condition: Any) -> Iterable[Any]:
    return condition.values() if isinstance(condition, Mapping) else ()


def _one(run: Sequence[Update], encoded: Sequence[bytes]) -> tuple[Doc, list[Doc]]:
    ids = [update.where["_id"] for update in run]
    own = {"$arrayElemAt": [{"$literal": [RawBSONDocument(one) for one in encoded]}, {"$indexOfArray": [{"$literal": ids}, "$_id"]}]}
    gone = list(run[0].change.get("$unset", {}))
    where = {**run[0].where, "_id": {"$in": ids}}
    return where, [{"$replaceWith": {"$mergeObjects": ["$$ROOT", own]}}, *([{"$unset": gone}] if gone else [])]


def _is_flat(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return levels > 0 and all(_is_flat(one, levels - 1) for one in inner)

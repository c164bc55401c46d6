"""The port's language in MongoDB's own: the server's clock, and what is read in turn."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.clock import ServerClock
from shared.storage.language import check_reads, check_where
from shared.storage.port import Change, Doc, Read, ServerNow, Where

CLOCK_TOLERANCE = timedelta(seconds=30)


def server_where(where: Where, clock: ServerClock) -> Doc:
    """The filter, checked: `ServerNow` becomes `$expr` with `$$NOW`, behind a coarse range that an index can serve. Raises BadInput."""
    check_where(where)
    return _translated(where, clock)


def server_change(change: Change) -> Doc | list[Doc]:
    """The change, as a pipeline where the server's clock is needed."""
    fields = change.get("$set", {})
    if not any(isinstance(value, ServerNow) for value in fields.values()):
        return dict(change)
    staged: Doc = {key: _server_date(v) if isinstance(v, ServerNow) else {"$literal": v} for key, v in fields.items()}
    unset = list(change.get("$unset", {}))
    return [{"$set": staged}, *([{"$unset": unset}] if unset else [])]


def in_turn(reads: Sequence[Read], clock: ServerClock) -> list[Doc]:
    """One pipeline over the first collection that finds all of them; each document as `doc`, `of` says by which. Raises BadInput."""
    check_reads(reads)
    first, *others = [_read(one, number, clock) for number, one in enumerate(reads)]
    return [*first, *({"$unionWith": {"coll": one.name, "pipeline": stages}} for one, stages in zip(reads[1:], others, strict=True))]


def _read(one: Read, number: int, clock: ServerClock) -> list[Doc]:
    return [
        {"$match": _translated(one.where, clock)},
        *([{"$sort": dict(one.sort)}] if one.sort else []),
        *([{"$limit": one.limit}] if one.limit else []),
        *([{"$project": dict.fromkeys(one.fields, 1)}] if one.fields else []),
        {"$replaceWith": {"of": {"$literal": number}, "doc": "$$ROOT"}},
    ]


def _translated(where: Where, clock: ServerClock) -> Doc:
    plain: Doc = {}
    exact: list[Doc] = []
    for key, condition in where.items():
        plain[key] = [_translated(part, clock) for part in condition] if key == "$or" else condition
        if isinstance(condition, Mapping):
            for operator, operand in condition.items():
                if isinstance(operand, ServerNow):
                    exact.append({operator: [f"${key}", _server_date(operand)]})
                    plain[key] = {**plain[key], operator: clock.now() + timedelta(seconds=operand.seconds) + CLOCK_TOLERANCE}
    if exact:
        plain["$expr"] = {"$and": exact}
    return plain


def _server_date(moment: ServerNow) -> Any:
    return {"$add": ["$$NOW", int(moment.seconds * 1000)]} if moment.seconds else "$$NOW"

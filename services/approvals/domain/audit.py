"""The audit trail as a chain: each entry carries the hash of the one before it, so that no entry can be changed or taken out unseen."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

START = "0" * 64
WIDTH = 12
OWN = ("_id", "at", "who", "what", "subject", "detail")


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what, to what."""

    who: str
    what: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """Where the chain is broken, and how."""

    entry_id: str
    reason: str


def entry_id(seq: int) -> str:
    """Zero-padded, so that the order of ids is the order of entries."""
    return f"{seq:0{WIDTH}d}"


def link(entry: Entry, *, seq: int, at: datetime, prev: str) -> dict[str, Any]:
    """The entry as the document with number `seq`, chained to the hash before it. `at` is cut to the store's milliseconds."""
    doc = {
        "_id": entry_id(seq),
        "at": at.replace(microsecond=at.microsecond // 1000 * 1000),
        "who": entry.who,
        "what": entry.what,
        "subject": entry.subject,
        "detail": dict(entry.detail),
    }
    return {**doc, "prev": prev, "hash": digest(doc, prev)}


def digest(doc: Mapping[str, Any], prev: str) -> str:
    """SHA-256 over the hash before and this entry as canonical JSON (sorted keys)."""
    canonical = orjson.dumps({key: doc.get(key) for key in OWN}, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    return hashlib.sha256(prev.encode() + b"|" + canonical).hexdigest()


def verify(docs: Iterable[Mapping[str, Any]], *, seq: int = 1, prev: str = START) -> Finding | None:
    """The first entry that does not fit, of entries that follow number `seq - 1` with hash `prev`; None: all fit."""
    for doc in docs:
        if doc["_id"] != entry_id(seq):
            return Finding(entry_id(seq), f"is missing: {doc['_id']} comes in its place")
        if doc.get("prev") != prev:
            return Finding(doc["_id"], "does not follow the entry before it: that one was changed or replaced")
        if doc.get("hash") != digest(doc, prev):
            return Finding(doc["_id"], "was changed after it was written")
        seq, prev = seq + 1, doc["hash"]
    return None

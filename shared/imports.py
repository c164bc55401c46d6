"""How an exported run comes back: the approvals service stores it in parts, and each service takes its own slice out of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.contracts.approvals import RunImported
from shared.storage.port import Database, Doc

IMPORTS = "imports"


async def take_slice(database: Database, event: RunImported, collections: Sequence[str]) -> int:
    """Insert what the import holds for these collections; ids that are there already stay untouched. How many were new.

    An imported document waits for nothing: it has no `due_at`.
    """
    where = {"import_id": event.import_id, "slice": {"$in": list(collections)}}
    parts = await database[IMPORTS].find(where, ("slice",), sort=(("_id", 1),))
    new = 0
    for part in parts:
        for whole in await database[IMPORTS].find({"_id": part["_id"]}):
            docs = [revive(doc) for doc in whole["docs"]]
            new += len(docs) - len(await database[part["slice"]].insert(docs))
    return new


def revive(doc: Mapping[str, Any]) -> Doc:
    """A document as it was stored, from its JSON: fields named `at` or `…_at` are dates. Raises ValueError for one that is none."""
    return {key: _moment(value) if key == "at" or key.endswith("_at") else value for key, value in doc.items() if key != "due_at"}


def _moment(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

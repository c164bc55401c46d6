"""Results are kept inline up to a bound; what is larger goes to the artifact store, so that no document outgrows the database."""

from collections.abc import Iterable
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any

import orjson

from shared.artifacts.store import ArtifactStore
from shared.contracts.executor import DATA_NAME, DATA_NEXT, Artifact, Result
from shared.errors import BadInput

INLINE = 64 * 1024
DEEPEST = 64  # MongoDB takes 100 levels, and the document around this has some of its own
LARGEST = 2**63
DBREF = frozenset({"$ref", "$id"})


async def fit(result: Result, store: ArtifactStore) -> Result:
    """The same result with data that a document can hold: too much of it becomes the artifact `data.json`.

    Where the task left a file or a folder of that name it is `data-2.json`, and so on; `artifact` in the data says which.
    Raises BadInput when the data is not JSON.
    """
    if not result.data:
        return result
    encoded = _json(result.data)
    data = orjson.loads(encoded)
    if len(encoded) <= INLINE and _storable(data, depth=0):
        return result.model_copy(update={"data": data})
    kept = await store.put_bytes(encoded, name=_free_name(result.artifacts))
    return result.model_copy(update={"data": {"artifact": kept.name}, "artifacts": (*result.artifacts, kept)})


def _free_name(artifacts: Iterable[Artifact]) -> str:
    taken = {part for artifact in artifacts for part in PurePosixPath(artifact.name).parts[:1]}
    return next(name for name in chain([DATA_NAME], map(DATA_NEXT.format, count(2))) if name not in taken)


def _json(data: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(data)
    except orjson.JSONEncodeError as error:
        raise BadInput(f"the data of the result is not JSON: {error}; give back dicts with text keys, lists, text, numbers") from error


def _storable(value: Any, *, depth: int) -> bool:
    """Whether the store gives it back as it was: 64-bit integers, no NUL in keys, not too deep, and nothing that is a DBRef to drivers."""
    if depth > DEEPEST:
        return False
    if isinstance(value, dict):
        return not value.keys() >= DBREF and all("\0" not in key and _storable(item, depth=depth + 1) for key, item in value.items())
    if isinstance(value, list):
        return all(_storable(item, depth=depth + 1) for item in value)
    return not isinstance(value, int) or value < LARGEST

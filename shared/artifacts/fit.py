"""Results are kept inline up to a bound; what is larger goes to the artifact store, so that no document outgrows the database."""

from typing import Any

import orjson

from shared.artifacts.store import ArtifactStore
from shared.contracts.executor import Result
from shared.errors import BadInput

INLINE = 64 * 1024
DEEPEST = 64  # MongoDB takes 100 levels, and the document around this has some of its own
LARGEST = 2**63
NAME = "data.json"
DBREF = frozenset({"$ref", "$id"})


async def fit(result: Result, store: ArtifactStore) -> Result:
    """The same result with data that a document can hold: too much of it becomes the artifact `data.json`.

    Raises BadInput when the data is not JSON.
    """
    if not result.data:
        return result
    encoded = _json(result.data)
    data = orjson.loads(encoded)
    if len(encoded) <= INLINE and _storable(data, depth=0):
        return result.model_copy(update={"data": data})
    kept = await store.put_bytes(encoded, name=NAME)
    others = tuple(artifact for artifact in result.artifacts if artifact.name != NAME)
    return result.model_copy(update={"data": {"artifact": NAME}, "artifacts": (*others, kept)})


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

"""What is made of a small document is made once: thousands of tasks have the same."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import orjson

MOST_BYTES = 2_000
MOST_KEPT = 256

Made = TypeVar("Made")


def remembering(make: Callable[[dict[str, Any]], Made]) -> Callable[[dict[str, Any]], Made]:
    """`make`, called once for the same JSON, as long as that is short. What it makes must not be changed; what it raises is not kept."""
    made = lru_cache(maxsize=MOST_KEPT)(lambda encoded: make(orjson.loads(encoded)))

    def remembered(document: dict[str, Any]) -> Made:
        try:
            encoded = orjson.dumps(document)
        except orjson.JSONEncodeError:
            return make(document)
        return made(encoded) if len(encoded) <= MOST_BYTES else make(document)

    return remembered

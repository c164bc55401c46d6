"""Tells a list of keys from a list of tasks: the one place where a colon in somebody's prose is judged."""

import re
from functools import lru_cache

from services.planner.names import nearest
from services.planner.planners.outline.keys import KEYS

# A key may be emphasised, and the emphasis may take in the colon: `check:`, **check**:, **check:**.
PAIR = re.compile(r"([*_`]{0,2})([A-Za-z][A-Za-z_-]*(?: [A-Za-z]+)?)(?:\1:|:\1)(?:\s+(.*)|)", re.DOTALL)
CLOSE_ENOUGH = 0.75


def split_pair(text: str) -> tuple[str, str] | None:
    """`key: value` as key and value, or None where the text is not that."""
    match = PAIR.fullmatch(text.strip())
    if match is None:
        return None
    key = re.sub(r"[ _]", "-", match[2].casefold())
    return (key, _unquoted(match[3] or "")) if key in KEYS or " " not in match[2] else None


def is_key_list(texts: list[str], *, ordered: bool, holds_blocks: bool) -> bool:
    """Whether these items set keys. One known key is enough; so is one that was almost written right, or words with colons alone."""
    pairs = [split_pair(text) for text in texts]
    keys = [pair[0] for pair in pairs if pair]
    if any(key in KEYS or _nearly_a_key(key) for key in keys):
        return True
    return len(keys) == len(texts) and not ordered and not holds_blocks


@lru_cache(maxsize=4096)
def _nearly_a_key(word: str) -> bool:
    return nearest(word, KEYS, cutoff=CLOSE_ENOUGH) is not None


def _unquoted(value: str) -> str:
    # Wrapped lines are one line, but spaces inside a line are the person's own: a command may quote them.
    value = " ".join(part for line in value.split("\n") if (part := line.strip()))
    inner = value[1:-1]
    return inner if len(value) > 1 and value[0] == value[-1] == "`" and "`" not in inner else value

"""Untrusted text inside a prompt: between two marks that the text cannot hold, so that it cannot end its own fence."""

import hashlib
import json
import re

MARK = 16
NAME = 200
LIKE_OURS = re.compile(r"""<(?=/data\s+[^\s>]|data\s+[^\s=>"']+(?:\s+["']|>))""", re.IGNORECASE)
OTHER_BRACKET = "\u2039"


def fenced(name: str, text: str) -> str:
    """`text` as data. The mark is derived from the text: the same text always gives the same fence, and none can contain its own."""
    clean = defused(text.encode(errors="replace").decode())
    mark = hashlib.sha256(f"{name}\n{clean}".encode(errors="replace")).hexdigest()[:MARK]
    label = json.dumps(defused(name.encode(errors="replace").decode()[:NAME]), ensure_ascii=False)
    return f"<data {mark} {label}>\n{clean}\n</data {mark}>"


def defused(text: str) -> str:
    """`text` with another bracket where it has a mark like ours, which could pose as the end of its fence or as another section.

    `<data value="1">` and `</data>`, as HTML has them, and `sort <data | uniq` stay; done twice, nothing more changes.
    """
    return LIKE_OURS.sub(OTHER_BRACKET, text)


def shortened(text: str, most: int) -> str:
    """The beginning of `text` in at most about `most` bytes; says how much was left out."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= most:
        return text
    kept = encoded[: max(most, 0)].decode(errors="ignore")
    return f"{kept}\n[… {len(encoded) - len(kept.encode())} bytes left out …]"

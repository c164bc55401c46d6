"""Who may do what. Everyone with a role may look; the rest is named here."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import BadInput

SUBMITTER = "submitter"
APPROVER = "approver"
VIEWER = "viewer"
ADMIN = "admin"
ROLES = (SUBMITTER, APPROVER, VIEWER, ADMIN)

KEY_START = "tg_"
SHORTEST_KEY = 32
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}\Z")


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a program that holds an API key."""

    name: str
    roles: frozenset[str]
    groups: frozenset[str]

    def has(self, *roles: str) -> bool:
        """Whether one of these roles is theirs; an admin has every role."""
        return ADMIN in self.roles or not self.roles.isdisjoint(roles)

    def may_answer(self, approvers: Sequence[str]) -> bool:
        """Whether a question to these names and groups (nobody named: to every approver) is one to them."""
        return self.has(APPROVER) and (not approvers or self.name in approvers or not self.groups.isdisjoint(approvers))

    def may_order(self, submitted_by: str | None) -> bool:
        """Whether they may cancel, retry and so on in a run: approvers in all, submitters in their own."""
        return self.has(APPROVER) or (self.has(SUBMITTER) and submitted_by == self.name)


def key_hash(key: str) -> str:
    """What is kept of a key. A key has 256 random bits, so that one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def check_principal(name: str, roles: Sequence[str]) -> None:
    """Raises BadInput for a name or a role that cannot be."""
    if not NAME.match(name):
        raise BadInput(f"{name!r} cannot be a name: letters, digits and . _ @ - only, 100 at most")
    if unknown := sorted(set(roles) - set(ROLES)):
        raise BadInput(f"{name}: no such role: {', '.join(unknown)}; there are {', '.join(ROLES)}")
    if not roles:
        raise BadInput(f"{name} has no role; give one of {', '.join(ROLES)}")


def check_key(name: str, key: str) -> None:
    """Raises BadInput, without the key in its message, for one that is too easy to guess."""
    if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
        raise BadInput(f"the key of {name} must have at least {SHORTEST_KEY} printable ASCII characters")

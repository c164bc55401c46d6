"""Many clients of one endpoint: thousands of calls wait at once, and one client's pool gets slower with the square of its connections."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import httpx2

EACH = 100
LEAST_FILES = 200


class Closable(Protocol):
    """A client that holds connections."""

    async def close(self) -> None:
        """Let go of them."""


Client = TypeVar("Client", bound=Closable)


@dataclass(slots=True)
class _Used(Generic[Client]):
    """A client, and how many calls it has under way."""

    client: Client
    calls: int = 0


class Connections(Generic[Client]):
    """Clients, made as they are needed, each with as many connections as it is quick with.

    They take at most half of the files that this process may open; what is more waits in their pools.
    """

    def __init__(self, make: Callable[[httpx2.Limits], Client]) -> None:
        self._make = make
        self._clients: list[_Used[Client]] = []
        self._most = max(LEAST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0]) // 2 // EACH

    @contextmanager
    def one(self) -> Iterator[Client]:
        """A client with room for a call, for the length of the block."""
        found = next((one for one in self._clients if one.calls < EACH), None) or self._another()
        found.calls += 1
        try:
            yield found.client
        finally:
            found.calls -= 1

    async def close(self) -> None:
        """Let go of all connections."""
        for one in self._clients:
            await one.client.close()

    def _another(self) -> _Used[Client]:
        if len(self._clients) >= max(1, self._most):
            return min(self._clients, key=lambda one: one.calls)
        self._clients.append(_Used(self._make(httpx2.Limits(max_connections=EACH, max_keepalive_connections=EACH))))
        return self._clients[-1]

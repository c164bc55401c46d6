"""Clients of one endpoint: another one for each hundred calls under way, up to half of the files that may be open."""

import resource
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx2
import pytest

from shared.models.connections import EACH, Connections


@dataclass(eq=False)
class Client:
    """Knows its limits and its end."""

    limits: httpx2.Limits
    closed: bool = False

    async def close(self) -> None:
        """The end."""
        self.closed = True


@dataclass
class Made:
    """The clients that were made."""

    clients: list[Client] = field(default_factory=list)

    def __call__(self, limits: httpx2.Limits) -> Client:
        self.clients.append(Client(limits))
        return self.clients[-1]


async def test_another_client_for_each_hundred_and_the_first_that_is_free() -> None:
    made = Made()
    connections = Connections(made)
    with ExitStack() as calls:
        used = [calls.enter_context(connections.one()) for _ in range(2 * EACH + 1)]
        assert [used.count(client) for client in made.clients] == [EACH, EACH, 1]
        assert all(client.limits.max_connections == EACH for client in made.clients)
    with connections.one() as client:
        assert client is made.clients[0]
    await connections.close()
    assert all(client.closed for client in made.clients)


def test_no_more_than_half_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4 * EACH, 4 * EACH))
    made = Made()
    connections = Connections(made)
    with ExitStack() as calls:
        used = [calls.enter_context(connections.one()) for _ in range(5 * EACH)]
        assert [used.count(client) for client in made.clients] == [2 * EACH + EACH // 2] * 2

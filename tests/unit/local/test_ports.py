"""Ports stay the same over restarts while they are free, and never clash."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from shared.errors import BadInput
from taskgrove.local.ports import HIGHEST, LOWEST, assign


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    ports = assign([f"part{n}" for n in range(50)], kept={})
    assert len(set(ports.values())) == 50
    assert all(LOWEST <= port < HIGHEST for port in ports.values())


def test_a_port_is_never_given_twice() -> None:
    port = assign(["a"], kept={})["a"]
    assert len(set(assign(["a", "b"], kept={"a": port, "b": port}).values())) == 2


def test_kept_ports_are_given_again() -> None:
    first = assign(["a", "b"], kept={})
    assert assign(["a", "b"], kept=first) == first


def test_a_kept_port_that_is_taken_is_replaced(taken: int) -> None:
    assert assign(["a"], kept={"a": taken})["a"] != taken


def test_a_wanted_port_that_is_taken_is_an_error_that_names_it(taken: int) -> None:
    with pytest.raises(BadInput, match=rf"{taken} \(approvals\)"):
        assign(["approvals"], kept={}, wanted={"approvals": taken})

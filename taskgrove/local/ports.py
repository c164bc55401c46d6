"""Ports of a data directory: picked once and kept, because mongod's replica set and RabbitMQ's data remember them."""

import random
import socket
from contextlib import ExitStack, closing

from shared.errors import BadInput, Unavailable

# Below the range from which kernels take the ports of outgoing connections, so that none of those sits on a port of ours at a restart.
LOWEST, HIGHEST = 20_000, 32_000


def bind(port: int) -> socket.socket | None:
    """A socket that holds `port` on loopback, or None if it is taken."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", port))
        holder.listen()  # only a listening socket keeps others off a port that all bind for reuse
    except OSError:
        holder.close()
        return None
    return holder


def assign(names: list[str], *, kept: dict[str, int], wanted: dict[str, int] | None = None) -> dict[str, int]:
    """A free port for each name: the wanted one or an error, else the kept one if it is free, else any. All are distinct."""
    wanted = wanted or {}
    with ExitStack() as held:
        ports = {name: _hold(held, port) for name, port in wanted.items()}
        if taken := [f"{port} ({name})" for name, port in wanted.items() if not ports[name]]:
            raise BadInput(f"Port {', '.join(taken)} on 127.0.0.1 is taken by another program. Give another port, or end that program.")
        for name in names:
            if name not in ports:
                ports[name] = _hold(held, kept.get(name, 0)) or _hold_any(held)
    return ports


def _hold(held: ExitStack, port: int) -> int:
    """`port` if it could be bound (it stays bound until `held` ends), else 0."""
    holder = bind(port) if port else None
    if holder is None:
        return 0
    held.enter_context(closing(holder))
    return port


def _hold_any(held: ExitStack) -> int:
    for port in random.sample(range(LOWEST, HIGHEST), k=200):
        if _hold(held, port):
            return port
    raise Unavailable(f"No free port on 127.0.0.1 between {LOWEST} and {HIGHEST}: 200 tries were all taken.")

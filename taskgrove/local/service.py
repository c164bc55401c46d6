"""One of the five services as a child process, and when it may be called ready."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2

from shared.errors import Unavailable
from taskgrove.local.process import Child

# Longer than the services' own drain (20 s by default), so that none is cut off while it hands work back.
DRAIN_SECONDS = 30.0


class Service:
    """A process that serves /readyz on its own port."""

    def __init__(self, name: str, argv: Sequence[str], *, env: Mapping[str, str], port: int, log: Path) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.child: Child | None = None
        self._argv = argv
        self._env = {**env, "TASKGROVE_HTTP_HOST": "127.0.0.1", "TASKGROVE_HTTP_PORT": str(port)}
        self._log = log

    @property
    def children(self) -> list[Child]:
        """Its processes."""
        return [self.child] if self.child else []

    async def start(self) -> None:
        """Spawn it; readiness is asked for apart, so that five of them start together."""
        self.child = await Child.spawn(self.name, self._argv, env=self._env, log=self._log)

    async def stop(self) -> None:
        """SIGTERM: it drains and exits."""
        if self.child:
            await self.child.stop(seconds=DRAIN_SECONDS)

    async def is_ready(self, client: httpx2.AsyncClient) -> bool:
        """Whether it has broker and store and consumes."""
        try:
            answer = await client.get(f"{self.url}/readyz")
        except httpx2.TransportError:
            return False
        return answer.status_code == httpx2.codes.OK

    def failure(self, *, restarts: int) -> Unavailable:
        """Why it is not ready, with its last lines."""
        hint = f"It was started {restarts + 1} times. Is a setting wrong?"
        return self.child.failure(hint) if self.child else Unavailable(f"{self.name} was never started. {hint}")

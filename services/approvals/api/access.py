"""What a route needs: who asks, which roles may, and the service's parts.

All are coroutines though none waits: FastAPI gives each plain function a thread, which costs milliseconds on a busy machine.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from starlette.requests import Request

from services.approvals.deps import Deps
from services.approvals.domain.principals import ROLES, Principal
from shared.errors import Forbidden, Unauthorized, Unavailable


async def caller(request: Request) -> Principal:
    """Who asks; the gate has put it there."""
    principal: Principal = request.scope["principal"]
    return principal


def deps_of(request: Request) -> Deps:
    """The service's parts."""
    deps: Deps = request.app.state.deps
    return deps


async def deps_here(request: Request) -> Deps:
    """The same, for a route."""
    return deps_of(request)


async def still_let_in(request: Request) -> Callable[[], Awaitable[bool]]:
    """Asks whether the key or the session of this request opens even now: a stream may outlive both."""

    async def ask() -> bool:
        try:
            await request.scope["identify_again"]()
        except Unauthorized:
            return False
        except Unavailable:
            return True  # who was let in stays while the store does not answer
        return True

    return ask


class Requires:
    """A dependency that lets only these roles pass; admins always."""

    def __init__(self, *roles: str) -> None:
        self.roles = roles

    async def __call__(self, principal: Annotated[Principal, Depends(caller)]) -> None:
        if not principal.has(*self.roles):
            roles = ", ".join(sorted(principal.roles)) or "none"
            raise Forbidden(f"{principal.name} has the roles {roles}; this takes {' or '.join(self.roles)}")


def requires(*roles: str) -> Any:
    """For `dependencies=[…]` of a route."""
    return Depends(Requires(*roles))


LOOK = requires(*ROLES)

CallerHere = Annotated[Principal, Depends(caller)]
DepsHere = Annotated[Deps, Depends(deps_here)]
StillLetIn = Annotated[Callable[[], Awaitable[bool]], Depends(still_let_in)]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=400)]
IfMatch = Annotated[str | None, Header(max_length=200)]

"""Whose key this is."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from services.approvals.api.access import LOOK, CallerHere
from services.approvals.api.answers import answer

router = APIRouter(tags=["principals"])


class Whoami(BaseModel):
    """The caller."""

    name: str
    roles: list[str]
    groups: list[str]


@router.get("/whoami", dependencies=[LOOK], response_model=Whoami)
async def whoami(caller: CallerHere) -> Response:
    """The name, roles and groups of the caller."""
    return answer({"name": caller.name, "roles": sorted(caller.roles), "groups": sorted(caller.groups)})

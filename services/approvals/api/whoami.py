"""Whose key this is."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.approvals.api.access import LOOK, CallerHere, DepsHere
from services.approvals.api.answers import answer

router = APIRouter(tags=["principals"])


class Whoami(BaseModel):
    """The caller."""

    name: str
    roles: list[str]
    groups: list[str]
    model: bool = Field(description="whether a language model is configured here")


@router.get("/whoami", dependencies=[LOOK], response_model=Whoami)
async def whoami(caller: CallerHere, deps: DepsHere) -> Response:
    """The name, roles and groups of the caller, and whether work can be given to a language model."""
    return answer({"name": caller.name, "roles": sorted(caller.roles), "groups": sorted(caller.groups), "model": deps.has_model})

"""The first principals: somebody must be let in before anybody can let others in. From a file that no stranger may read."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.principals import Principal, check_key, check_principal
from shared.errors import BadInput

log = structlog.get_logger()


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str
    key: str
    roles: list[str]
    groups: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FirstKey:
    """A principal and the key that they were given."""

    principal: Principal
    key: str


def read_first_keys(path: Path, *, secrets: Path | None = None) -> list[FirstKey]:
    """What the file holds; `secrets` is TASKGROVE_SECRETS_DIR, whose mount keeps strangers out.

    Raises BadInput, never with a key in its message, for a file that is open to others or not as it must be.
    """
    try:
        _refuse_open(path, secrets)
        given = TypeAdapter(list[_Given]).validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); TASKGROVE_APPROVALS_BOOTSTRAP_KEYS names it") from error
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors(include_input=False))
        raise BadInput(f"{path} must hold [{{name, key, roles, groups}}]: {where}") from None
    for one in given:
        check_principal(one.name, one.roles)
        check_key(one.name, one.key)
    return [FirstKey(Principal(one.name, frozenset(one.roles), frozenset(one.groups)), one.key) for one in given]


def _refuse_open(path: Path, secrets: Path | None) -> None:
    """Kubernetes and Compose mount secrets into one container, owned by somebody else and readable by a group or by all who are in it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    mounted = secrets is not None and path.absolute().is_relative_to(secrets.absolute())
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadInput(f"{path} holds keys and others may write it: chmod go-w {path}")
    if not mounted and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(
            f"{path} holds keys and others may read it: chmod 600 {path}, or keep it in the directory that TASKGROVE_SECRETS_DIR names"
        )


async def put_first_keys(deps: Deps, first: Sequence[FirstKey]) -> None:
    """Let them in, as the file says now; what did not change leaves no trace."""
    for one in first:
        if await deps.principals.put(one.principal, one.key):
            detail = {"roles": sorted(one.principal.roles), "groups": sorted(one.principal.groups)}
            await deps.audit.add(Entry("bootstrap", "principal.put", one.principal.name, detail))
            log.info("principal.put", name=one.principal.name, roles=detail["roles"])

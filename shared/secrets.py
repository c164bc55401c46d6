"""Secrets as files: a directory with one file a setting, named like its environment variable in lower case, as containers get them."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic_settings import BaseSettings, SettingsError

from shared.errors import BadInput

Settings = TypeVar("Settings", bound=BaseSettings)

VARIABLE = "TASKGROVE_SECRETS_DIR"
PR_SET_DUMPABLE = 4  # prctl(2)
REQUIRED = ("broker_url", "store_url")
"""Their defaults are for a laptop. Who keeps secrets in files runs elsewhere, and would wait for a broker on loopback for ever."""


def close_to_others() -> None:
    """Let no other process of the same user read this one's environment and memory: where a sandbox has no walls, what it runs could.

    Linux only, and no wall against root. What this process starts is not affected.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def secrets_dir() -> Path | None:
    """The directory that TASKGROVE_SECRETS_DIR names. Raises BadInput when it names none that can be listed."""
    if not (given := os.environ.get(VARIABLE)):
        return None
    directory = Path(given)
    try:
        os.scandir(directory).close()
    except OSError as error:
        raise BadInput(f"{VARIABLE}={directory}: {error.strerror}; mount the secrets there, or leave {VARIABLE} out") from None
    return directory


def variable_of(kind: type[BaseSettings], field: str) -> str:
    """The environment variable of a field, which errors may name by its alias."""
    aliases = {name: one.validation_alias for name, one in kind.model_fields.items() if isinstance(one.validation_alias, str)}
    alias = field if field in aliases.values() else aliases.get(field)
    return (alias or f"{kind.model_config.get('env_prefix', '')}{field}").upper()


def file_of(kind: type[BaseSettings], field: str, directory: Path) -> Path:
    """The file of a field; it need not be there."""
    return directory / variable_of(kind, field).lower()


def with_secrets(kind: type[Settings], directory: Path) -> Settings:
    """Settings from the environment, then from the files; white space around a value is dropped. A setting that names a file gets its file.

    Raises BadInput, never with a value in it, for a file that cannot be used and for a secret that is required and missing.
    """
    for field in kind.model_fields:
        _look_at(kind, field, file_of(kind, field, directory))
    try:
        settings = kind(_secrets_dir=directory, **_files(kind, directory))
    except SettingsError as error:
        raise BadInput(f"{error}; keep each secret as a plain file in {directory}, which {VARIABLE} names") from None
    missing = [
        field for field in REQUIRED if field in kind.model_fields and not (field in settings.model_fields_set and getattr(settings, field))
    ]
    if missing:
        wanted = " and ".join(f"{file_of(kind, field, directory)} (or {variable_of(kind, field)})" for field in missing)
        raise BadInput(f"missing or empty: {wanted}; {VARIABLE} says that secrets are kept there, so nothing is taken for them")
    return settings


def _files(kind: type[BaseSettings], directory: Path) -> dict[str, Any]:
    """For settings that name a file, such as one with keys: the file of that name is what is meant, not what it holds."""
    named = [field for field, one in kind.model_fields.items() if Path in (one.annotation, *get_args(one.annotation))]
    files = {field: file_of(kind, field, directory) for field in named if not os.environ.get(variable_of(kind, field))}
    return {field: path for field, path in files.items() if path.exists()}


def _look_at(kind: type[BaseSettings], field: str, path: Path) -> None:
    """What pydantic would pass over with a warning, or raise in other words."""
    try:
        path.read_text(encoding="utf-8")
        if not path.resolve().is_relative_to(path.parent.resolve()):
            raise BadInput(f"{path} is a link out of its directory; {variable_of(kind, field)} is read from it: put the file itself there")
    except FileNotFoundError:
        if path.is_symlink():
            raise BadInput(f"{path} leads nowhere; {variable_of(kind, field)} is read from it: mend the link, or remove it") from None
    except OSError as error:
        user = f"user {os.geteuid()}, group {os.getegid()}"
        what = f"{path} cannot be read by {user} ({error.strerror}); {variable_of(kind, field)} is read from it"
        raise BadInput(f"{what}: let this user or its group read it, or remove it") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text; {variable_of(kind, field)} is read from it: write it anew") from None

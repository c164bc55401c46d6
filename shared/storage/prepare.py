"""`python -m shared.storage.prepare`: a new MongoDB becomes the replica set and gets a user for each service, which has its slice.

Their URLs are the files `SERVICE_store_url` of TASKGROVE_SECRETS_DIR. Without them one user serves all: that of TASKGROVE_STORE_URL.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from shared.errors import BadInput, StoreUnavailable, TaskgroveError
from shared.secrets import secrets_dir
from shared.settings import CommonSettings, read
from shared.storage.slices import SLICES, privileges

SECONDS = 90.0
NOT_YET_INITIATED = 94
USER_EXISTS = 51_003
ROLE_EXISTS = 51_002
ROOT = ("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD")
"""As MongoDB's own image names them, so that one file serves both. It also takes `…_FILE`, the name of a file with the value; so do we."""


def prepare(url: str, *, database: str, root: tuple[str, str] | None, passwords: Mapping[str, str] | None = None) -> None:
    """Initiate the members that `url` lists, wait for a primary, and make users: one a service with its slice where `passwords` names them.

    Else the user of `url` may read and write `database` and nothing else. Doing it again changes nothing but passwords and rights.
    `root` (name, password) is needed where MongoDB asks for one.
    Raises StoreUnavailable when there is no primary in time, BadInput when MongoDB refuses.
    """
    parts = parse_uri(url)
    hosts = [f"{host}:{port}" for host, port in parts["nodelist"]]
    if not (name := parts["options"].get("replicaSet")):
        raise BadInput("TASKGROVE_STORE_URL names no replica set: add ?replicaSet=rs0")
    access: dict[str, Any] = {option: value for option, value in parts["options"].items() if option.startswith("tls")}
    if root:
        access |= {"username": root[0], "password": root[1], "authSource": "admin"}
    try:
        with MongoClient[dict[str, Any]](hosts[0], directConnection=True, serverSelectionTimeoutMS=2_000, **access) as client:
            _wait_for_primary(client, {"_id": name, "members": [{"_id": number, "host": host} for number, host in enumerate(hosts)]})
        with MongoClient[dict[str, Any]](hosts, replicaSet=name, **access) as client:  # the first that is listed may be a secondary
            client.admin.command("ping")
            if passwords:
                grant_slices(client, database, passwords)
            elif root and parts["username"]:
                owner = parts["options"].get("authSource") or parts["database"] or "admin"
                _put_user(client[owner], parts["username"], parts["password"], role="readWrite", database=database)
    except OperationFailure as error:
        raise BadInput(f"MongoDB at {hosts[0]} refused: {error.details or error}; are these its root name and password?") from None
    except PyMongoError as error:
        raise StoreUnavailable(f"MongoDB at {hosts[0]} did not answer: {error}") from None


def grant_slices(client: MongoClient[dict[str, Any]], database: str, passwords: Mapping[str, str]) -> None:
    """A role and a user of `admin` for each service that `passwords` names, both called like it. Again: new rights, new passwords."""
    for service in SLICES.keys() & passwords.keys():
        rights: dict[str, Any] = {"privileges": privileges(service, database), "roles": []}
        _put(client[database], "Role", service, exists=ROLE_EXISTS, what=rights)
        _put_user(client.admin, service, passwords[service], role=service, database=database)


def _wait_for_primary(client: MongoClient[dict[str, Any]], config: Mapping[str, Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if client.admin.command("hello").get("primary"):  # itself, or another that was there before us
                return
            _initiate(client, config)
        except OperationFailure:
            raise
        except PyMongoError:
            if time.monotonic() > deadline:
                raise
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"no primary of {config['_id']} after {SECONDS:.0f} s; look into MongoDB's log")
        time.sleep(0.5)


def _initiate(client: MongoClient[dict[str, Any]], config: Mapping[str, Any]) -> None:
    try:
        client.admin.command("replSetGetConfig")
    except OperationFailure as error:
        if error.code != NOT_YET_INITIATED:
            raise
        client.admin.command("replSetInitiate", config)


def _put_user(owner: Database[dict[str, Any]], name: str, password: str, *, role: str, database: str) -> None:
    _put(owner, "User", name, exists=USER_EXISTS, what={"pwd": password, "roles": [{"role": role, "db": database}]})


def _put(owner: Database[dict[str, Any]], kind: str, name: str, *, exists: int, what: Mapping[str, Any]) -> None:
    try:
        owner.command(f"create{kind}", name, **what)
    except OperationFailure as error:
        if error.code != exists:
            raise
        owner.command(f"update{kind}", name, **what)


def read_urls(directory: Path) -> dict[str, str]:
    """The files `SERVICE_store_url` of a directory: of all five services, or none. Raises BadInput for some, or another's user."""
    paths = {service: directory / f"{service}_store_url" for service in SLICES}
    urls = {service: _text(path) for service, path in paths.items() if path.exists()}
    if urls and (missing := SLICES.keys() - urls.keys()):
        raise BadInput(f"{directory} has URLs of some services, and none of {', '.join(sorted(missing))}")
    for service, url in urls.items():
        if _user(url) != service:
            raise BadInput(
                f"{paths[service]} must have the user {service} and a password in it, as mongodb://{service}:…@host/?authSource=admin"
            )
    return urls


def _user(url: str) -> str | None:
    """Who the URL is for; nobody, where it lacks a password or is none. What the parser says may have a part of the password in it."""
    try:
        parts = parse_uri(url)
    except (PyMongoError, ValueError):
        return None
    return str(parts["username"]) if parts["password"] else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}") from None


def _root() -> tuple[str, str] | None:
    """Name and password of who may make users, if they are given. Raises BadInput for a half of it."""
    name, password = (_given(variable) for variable in ROOT)
    if bool(name) != bool(password):
        raise BadInput(f"give both {ROOT[0]} and {ROOT[1]}, or neither")
    return (name, password) if name else None


def _given(variable: str) -> str:
    file = os.environ.get(f"{variable}_FILE")
    return _text(Path(file)) if file else os.environ.get(variable, "")


def main() -> None:
    """Prepare the store that the secrets or the settings name."""
    try:
        directory, root = secrets_dir(), _root()
        if urls := read_urls(directory) if directory else {}:
            passwords = {service: str(parse_uri(url)["password"]) for service, url in urls.items()}
            database = os.environ.get("TASKGROVE_STORE_NAME") or CommonSettings.model_fields["store_name"].default
            prepare(urls["planner"], database=database, root=root, passwords=passwords)
        else:
            settings = read(CommonSettings)
            prepare(settings.store_url, database=settings.store_name, root=root)
    except TaskgroveError as error:
        raise SystemExit(f"prepare: {error}") from None


if __name__ == "__main__":
    main()

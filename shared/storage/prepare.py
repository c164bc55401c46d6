"""`python -m shared.storage.prepare`: a new MongoDB becomes the replica set and gets the user that TASKGROVE_STORE_URL names."""

import os
import time
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from shared.errors import BadInput, StoreUnavailable, TaskgroveError
from shared.settings import CommonSettings, read

SECONDS = 90.0
NOT_YET_INITIATED = 94
USER_EXISTS = 51_003
ROOT = ("MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD")
"""As MongoDB's own image names them, so that one file serves both."""


def prepare(url: str, *, database: str, root: tuple[str, str] | None) -> None:
    """Initiate the members that `url` lists, wait for a primary, and let the user of `url` read and write `database` and nothing else.

    Doing it again changes nothing but the user's password. `root` (name, password) is needed where MongoDB asks for one.
    Raises StoreUnavailable when there is no primary in time, BadInput when MongoDB refuses.
    """
    parts = parse_uri(url)
    hosts = [f"{host}:{port}" for host, port in parts["nodelist"]]
    if not (name := parts["options"].get("replicaSet")):
        raise BadInput("TASKGROVE_STORE_URL names no replica set: add ?replicaSet=rs0")
    access: dict[str, Any] = {"username": root[0], "password": root[1], "authSource": "admin"} if root else {}
    with MongoClient[dict[str, Any]](hosts[0], directConnection=True, serverSelectionTimeoutMS=2_000, **access) as client:
        try:
            _wait_for_primary(client, {"_id": name, "members": [{"_id": number, "host": host} for number, host in enumerate(hosts)]})
            if root and parts["username"]:
                _put_user(client, parts, database)
        except OperationFailure as error:
            raise BadInput(f"MongoDB at {hosts[0]} refused: {error.details or error}; are these its root name and password?") from None
        except PyMongoError as error:
            raise StoreUnavailable(f"MongoDB at {hosts[0]} did not answer: {error}") from None


def _wait_for_primary(client: MongoClient[dict[str, Any]], config: Mapping[str, Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if client.admin.command("hello").get("isWritablePrimary"):
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


def _put_user(client: MongoClient[dict[str, Any]], parts: Mapping[str, Any], database: str) -> None:
    owner = client[parts["options"].get("authSource") or parts["database"] or "admin"]
    what = {"pwd": parts["password"], "roles": [{"role": "readWrite", "db": database}]}
    try:
        owner.command("createUser", parts["username"], **what)
    except OperationFailure as error:
        if error.code != USER_EXISTS:
            raise
        owner.command("updateUser", parts["username"], **what)


def main() -> None:
    """Prepare the store that the settings name."""
    try:
        settings = read(CommonSettings)
        name, password = (os.environ.get(variable, "") for variable in ROOT)
        prepare(settings.store_url, database=settings.store_name, root=(name, password) if name else None)
    except TaskgroveError as error:
        raise SystemExit(f"prepare: {error}") from None


if __name__ == "__main__":
    main()

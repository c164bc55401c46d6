"""`python -m shared.messaging.definitions`: exchanges, queues and one user a service, for RabbitMQ's `load_definitions`.

Each user may hear its own queue and say its own events. `read_users` says which files name the users and their passwords.
"""

import base64
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from shared.errors import BadInput, TaskgroveError
from shared.messaging.topology import DEAD_EXCHANGE, DEAD_QUEUE, EXCHANGE, arguments, events, own_queues, queues

ADMIN, PUBLISHER = "admin", "publisher"
"""Who may do all, for people who look after the broker; and who may start runs by an event, for programs of others."""
SERVICES = ("planner", "sequencer", "executor", "checker", "approvals")
NOTHING = "^(?!)"
SALT_BYTES = 4


def definitions(passwords: Mapping[str, str]) -> dict[str, Any]:
    """All of it as one document. `passwords`: by user; a user without one is not made."""
    return {
        "vhosts": [{"name": "/"}],
        "users": [
            {
                "name": user,
                "password_hash": _hashed(user, password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "administrator" if user == ADMIN else "",
            }
            for user, password in passwords.items()
        ],
        "permissions": [{"user": user, "vhost": "/", **_permissions(user)} for user in passwords],
        "topic_permissions": [
            {"user": user, "vhost": "/", "exchange": exchange, **topics} for user in passwords for exchange, topics in _topics(user).items()
        ],
        "exchanges": [
            {"name": name, "vhost": "/", "type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
            for name in (EXCHANGE, DEAD_EXCHANGE)
        ],
        "queues": [
            {"name": queue.name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": arguments(queue)} for queue in queues()
        ],
        "bindings": [
            {
                "source": DEAD_EXCHANGE if queue.dead else EXCHANGE,
                "vhost": "/",
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
            for queue in queues()
            for key in queue.keys
        ],
    }


def _permissions(user: str) -> dict[str, str]:
    """What it may declare, write to and read. Who binds a queue writes to it, and dead letters need a right to their exchange."""
    if user == ADMIN:
        return {"configure": ".*", "write": ".*", "read": ".*"}
    if user == PUBLISHER:
        return {"configure": NOTHING, "write": _one_of([EXCHANGE]), "read": NOTHING}
    own = own_queues(user)
    heard = {EXCHANGE, *([DEAD_EXCHANGE] if DEAD_QUEUE in own else [])}
    return {"configure": _one_of(own), "write": _one_of({EXCHANGE, DEAD_EXCHANGE, *own}), "read": _one_of({*heard, *own})}


def _topics(user: str) -> dict[str, dict[str, str]]:
    """Which events it may say, and bind its queue to. What lies in quarantine is said again by approvals, whatever it is."""
    if user == ADMIN:
        return {}
    if user == PUBLISHER:
        return {EXCHANGE: {"write": _one_of(["task.submitted"]), "read": NOTHING}}
    says = ".*" if user == "approvals" else _one_of(event.name for event in events() if event.said_by == user)
    hears = _one_of(event.name for event in events() if user in event.heard_by)
    dead = ".*" if user == "approvals" else NOTHING
    return {EXCHANGE: {"write": says, "read": hears}, DEAD_EXCHANGE: {"write": NOTHING, "read": dead}}


def _one_of(names: Iterable[str]) -> str:
    return f"^({'|'.join(re.escape(name) for name in sorted(names))})$"


def _hashed(user: str, password: str) -> str:
    """As https://www.rabbitmq.com/docs/passwords#computing-password-hash says; the same gives the same."""
    salt = hashlib.sha256(f"{user}\0{password}".encode()).digest()[:SALT_BYTES]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def read_users(directory: Path) -> dict[str, str]:
    """Passwords by user, from the files `USER_broker_url` of a directory. Raises BadInput for one that is missing or another's."""
    found = {}
    for user in (*SERVICES, PUBLISHER, ADMIN):
        path = directory / f"{user}_broker_url"
        if user not in SERVICES and not path.exists():
            continue
        if not (password := _password(path, user)):
            raise BadInput(f"{path} must have the user {user} and a password in it, as amqp://{user}:…@host:5672/")
        found[user] = password
    return found


def _password(path: Path, user: str) -> str | None:
    """Of the URL in a file, if that is this user's."""
    try:
        url = urlsplit(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; each service needs an amqp:// URL with its own user") from None
    except ValueError:  # no URL, or no text
        return None
    return unquote(url.password) if url.username == user and url.password else None


def main() -> None:
    """Print the definitions for the users that the files of TASKGROVE_SECRETS_DIR name."""
    try:
        if not (directory := os.environ.get("TASKGROVE_SECRETS_DIR")):
            raise BadInput("TASKGROVE_SECRETS_DIR is not set: the directory with planner_broker_url and so on, one file a user")
        json.dump(definitions(read_users(Path(directory))), sys.stdout, indent=2)
        sys.stdout.write("\n")
    except TaskgroveError as error:
        raise SystemExit(f"definitions: {error}") from None


if __name__ == "__main__":
    main()

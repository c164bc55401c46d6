"""Mistakes with users and their passwords in the manifests, one at a time, for test_mutants.py."""

import base64
import json
from collections.abc import Callable

from shared.messaging.definitions import definitions
from tests.deploy.world import SERVICES, Object, World

Break = Callable[[World], object]

PASSWORDS = {service: f"dev-only-{service}" for service in SERVICES}


def data(world: World, secret: str) -> Object:
    """The files of a Secret, to be changed in place."""
    found: Object = world.get("Secret", secret)["data"]
    return found


def read(world: World, secret: str, file: str) -> str:
    return base64.b64decode(data(world, secret)[file]).decode()


def write(world: World, secret: str, **files: str) -> None:
    data(world, secret).update({file: base64.b64encode(text.encode()).decode() for file, text in files.items()})


def give(world: World, file: str, *, user: str = "checker") -> None:
    """The executor what is the checker's; with another user, only the password."""
    text = read(world, "taskgrove-checker", file).replace("//checker:", f"//{user}:")
    write(world, "taskgrove-executor", **{file: text})


def change(world: World, file: str) -> None:
    """The executor a new password of which nobody else is told."""
    text = read(world, "taskgrove-executor", file).replace("dev-only-executor", "another")
    write(world, "taskgrove-executor", **{file: text})


def define(world: World, **passwords: str) -> None:
    """The broker these users."""
    write(world, "rabbitmq-definitions", **{"definitions.json": json.dumps(definitions(passwords))})


def container(world: World, kind: str, name: str) -> Object:
    found: Object = world.get(kind, name)["spec"]["template"]["spec"]["containers"][0]
    return found


def look_at(world: World, volume: str) -> None:
    """The sequencer itself what is for the container before it."""
    container(world, "Deployment", "taskgrove-sequencer")["volumeMounts"].append({"name": volume, "mountPath": "/run/secrets/prepare"})


OF_USERS: list[tuple[str, str, str, Break]] = [
    ("dev", "users", "two share a store URL", lambda w: give(w, "taskgrove_store_url")),
    ("dev", "users", "two share a broker URL", lambda w: give(w, "taskgrove_broker_url")),
    ("dev", "users", "two share a password", lambda w: give(w, "taskgrove_store_url", user="executor")),
    ("dev", "users", "nobody in particular", lambda w: write(w, "taskgrove-executor", taskgrove_store_url="mongodb://mongodb-0.mongodb")),
    ("dev", "users", "no password", lambda w: write(w, "taskgrove-executor", taskgrove_broker_url="amqp://executor@rabbitmq")),
    ("dev", "broker_users", "a password that the broker does not know", lambda w: change(w, "taskgrove_broker_url")),
    ("dev", "broker_users", "one more", lambda w: define(w, **PASSWORDS, admin="dev-only")),
    ("dev", "broker_users", "one less", lambda w: define(w, **dict(list(PASSWORDS.items())[1:]))),
    ("dev", "broker_users", "guest", lambda w: w.get("ConfigMap", "rabbitmq-settings")["data"].clear()),
    ("dev", "broker_users", "no such file", lambda w: data(w, "rabbitmq-definitions").clear()),
    ("dev", "store_users", "a password that the store does not know", lambda w: change(w, "taskgrove_store_url")),
    ("dev", "store_users", "one less", lambda w: data(w, "mongodb-users").pop("checker_store_url")),
    ("dev", "store_users", "everybody", lambda w: container(w, "StatefulSet", "mongodb")["args"].remove("--keyFile")),
    ("dev", "store_users", "no root", lambda w: data(w, "mongodb-root").clear()),
    ("dev", "store_users", "root is a service", lambda w: write(w, "mongodb-root", password=PASSWORDS["checker"])),
    ("dev", "store_users", "root is made of nothing", lambda w: container(w, "StatefulSet", "mongodb").pop("env")),
    (
        "dev",
        "store_users",
        "nobody makes them",
        lambda w: w.get("Deployment", "taskgrove-sequencer")["spec"]["template"]["spec"].pop("initContainers"),
    ),
    ("dev", "own_secrets", "root's password for the sequencer", lambda w: look_at(w, "prepare")),
]

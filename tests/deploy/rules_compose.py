"""What must hold in docker-compose.yml for users of broker and store: who is given which secret, and under which name."""

import json
import re
from collections.abc import Iterable, Iterator

from shared.messaging.definitions import ADMIN, PUBLISHER
from tests.deploy.rules_pods import COMMANDS, quantity
from tests.deploy.rules_users import FILES, PREPARES, shared
from tests.deploy.world import SERVICES, Object

DEFINES = "shared.messaging.definitions"
URLS = {
    PREPARES: {f"{name}_store_url" for name in SERVICES},
    DEFINES: {f"{name}_broker_url" for name in (*SERVICES, PUBLISHER, ADMIN)},
}
"""Which URLs the programs are given that make users, each by its own name."""


def own_urls(compose: Object) -> Iterator[str]:
    """A service gets the two URLs that are called like it, under the names of its settings, and no other's."""
    for name in SERVICES:
        given = _given(compose, name)
        yield from (f"{name}: its {file} is {given.get(file)}" for file in FILES if given.get(file) != file.replace("taskgrove", name))
        yield from (f"{name} sees {source}" for target, source in given.items() if source.endswith("_url") and target not in FILES)


def all_urls(compose: Object) -> Iterator[str]:
    """Who makes the users gets the URLs of all, and is over before its backend, or the services, begin."""
    for program, urls in URLS.items():
        name = _running(compose, program)
        if _given(compose, name) != {url: url for url in urls}:
            yield f"{name} is given {_given(compose, name)}, not {sorted(urls)}"
    broker = compose["services"]["rabbitmq"]["depends_on"].get(_running(compose, DEFINES), {})
    if broker != {"condition": "service_completed_successfully", "restart": True}:
        yield "rabbitmq does not start after its definitions are made, and again when they are made anew"
    waits = [compose["services"][name]["depends_on"].get(_running(compose, PREPARES), {}).get("condition") for name in SERVICES]
    if set(waits) != {"service_completed_successfully"}:
        yield "a service starts before the store has its user"


def own_files(compose: Object) -> Iterator[str]:
    """Each secret is a file of its own."""
    secrets = compose["secrets"]
    yield from (f"{name} is {one['file']}" for name, one in secrets.items() if not one["file"].endswith(f"/{name}"))
    yield from shared((one["file"], name) for name, one in secrets.items())


def no_master(compose: Object) -> Iterator[str]:
    """RabbitMQ makes no user beside the definitions, and root's password of MongoDB is where users are made."""
    rabbitmq = compose["services"]["rabbitmq"]
    if "RABBITMQ_DEFAULT" in json.dumps(rabbitmq) or "env_file" in rabbitmq:
        yield "rabbitmq is given a user who may do everything"
    if not any("/etc/rabbitmq/conf.d/" in volume for volume in rabbitmq["volumes"]):
        yield "rabbitmq is not told to load its definitions, and makes guest"
    having = {name for name, one in compose["services"].items() if "mongodb.env" in json.dumps(one.get("env_file", []))}
    if having != {"mongodb", _running(compose, PREPARES)}:
        yield f"root's password is given to {sorted(having)}"


def slots(compose: Object) -> Iterator[str]:
    """As `slots` of the pods: at most two commands a processor, and less memory for a process of them than for the service."""
    for service, setting in COMMANDS.items():
        given, limits = compose["services"][service]["environment"], compose["services"][service]["deploy"]["resources"]["limits"]
        memory = f"TASKGROVE_{service.upper()}_COMMAND_MEMORY_BYTES"
        if not 0 < int(_default(given.get(setting, "0"))) <= 2 * float(_default(limits["cpus"])):
            yield f"{service}: {setting} is {given.get(setting)}, and it may use {limits['cpus']} processors"
        if not 0 < int(_default(given.get(memory, "0"))) < quantity(f"{_default(limits['memory']).upper()}i"):
            yield f"{service}: {memory} is {given.get(memory)}, and it may use {limits['memory']} itself"


def _default(text: str) -> str:
    """What `${NAME:-default}` is where nobody sets it."""
    return re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", text)


def _given(compose: Object, service: str) -> dict[str, str]:
    """The secrets of a service by the names under which it finds them."""
    listed: Iterable[str | Object] = compose["services"][service].get("secrets", [])
    long = [{"source": one} if isinstance(one, str) else one for one in listed]
    return {one.get("target", one["source"]): one["source"] for one in long}


def _running(compose: Object, program: str) -> str:
    return next(name for name, one in compose["services"].items() if program in " ".join(one.get("entrypoint", [])))

"""Who comes to broker and store as whom: each service as itself, with a password of its own, and root only where users are made."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from shared.messaging.definitions import definitions
from shared.secrets import REQUIRED
from tests.deploy.world import SERVICES, Object, Pod, World

PREPARES = "shared.storage.prepare"
ROOT = ("username", "password")
FILES = tuple(f"taskgrove_{field}" for field in REQUIRED)


def users(world: World) -> Iterator[str]:
    """Each service has a user of its own in broker and store, called like it."""
    urls = _urls(world)
    for (name, file), url in urls.items():
        if urlsplit(url).username != name or not password_of(url):
            yield f"{name}: {file} comes with the user {urlsplit(url).username}, not as {name} with a password"
    yield from shared(((file, password_of(url)), f"{file} of {name}") for (name, file), url in urls.items())


def broker_users(world: World) -> Iterator[str]:
    """A broker in the cluster has these users and no other, not even the one that RabbitMQ makes when it is told nothing."""
    urls = _urls(world)
    passwords = {name: password_of(urls[name, "taskgrove_broker_url"]) for name in SERVICES if (name, "taskgrove_broker_url") in urls}
    for pod in (pod for pod in world.pods() if pod.labels.get("app.kubernetes.io/component") == "broker"):
        paths = [
            line.split(" = ")[1] for line in "\n".join(world.configs(pod).values()).splitlines() if line.startswith("load_definitions ")
        ]
        if len(paths) != 1 or paths[0] not in world.files(pod, pod.container):
            yield f"{pod.name} loads definitions from {paths}"
        elif json.loads(world.files(pod, pod.container)[paths[0]]) != definitions(passwords):
            yield f"{pod.name}: its definitions are not those for the services' URLs; make them anew, as its kustomization says"


def store_users(world: World) -> Iterator[str]:
    """A store in the cluster asks for a password, and whoever prepares it makes the users that the services come as; none is root."""
    urls = {f"{name}_store_url": url for (name, file), url in _urls(world).items() if file == "taskgrove_store_url"}
    stores = [pod for pod in world.pods() if pod.labels.get("app.kubernetes.io/component") == "store"]
    yield from (f"{pod.name} asks nobody for a password" for pod in stores if "--keyFile" not in pod.container["args"])
    prepared = [world.files(pod, one) for pod in world.pods() for one in pod.containers if PREPARES in one.get("command", [])]
    if len(prepared) != len(stores):
        yield f"{len(prepared)} prepare {len(stores)} stores"
    for files in prepared:
        given = {path.rpartition("/")[2]: text for path, text in files.items()}
        root = {name: given.pop(name, "") for name in ROOT}
        if given != urls:
            yield f"{PREPARES} makes other users than those that the services come as: look at {sorted(given.items() ^ urls.items())}"
        if any(root != _root(world, pod) for pod in stores):
            yield f"{PREPARES} comes as another root than the one that the store makes"
        if not all(root.values()) or root["password"] in {password_of(url) for url in urls.values()}:
            yield "root has no password of its own"


def own_secrets(world: World) -> Iterator[str]:
    """A service, and what it runs, reads its own Secret and no other; others are for who makes the users before it starts."""
    for name, pod in world.ours():
        own = pod.mounted(world.environment(pod).get("TASKGROVE_SECRETS_DIR", "")) or {}
        mounts = [mount["name"] for mount in pod.container["volumeMounts"] if mount["name"] != own.get("name")]
        yield from (f"{name} sees the Secret {secret}" for mount in mounts for secret in pod.secrets(mount))


def shared(having: Iterable[tuple[object, str]]) -> Iterator[str]:
    """What two have that each should have alone; nothing is shared by all who have nothing."""
    who: defaultdict[object, list[str]] = defaultdict(list)
    for what, name in having:
        who[what].append(name)
    yield from (f"{' and '.join(names)} share what each should have alone" for names in who.values() if len(names) > 1)


def password_of(url: str) -> str:
    """The password in a URL."""
    return unquote(urlsplit(url).password or "")


def _root(world: World, pod: Pod) -> dict[str, str | None]:
    """Who the store's image is told to make, by the files that it is told to read."""
    files, environment = world.files(pod, pod.container), world.environment(pod)
    return {name: files.get(environment.get(f"MONGO_INITDB_ROOT_{name.upper()}_FILE", "")) for name in ROOT}


def _urls(world: World) -> dict[tuple[str, str], str]:
    """What the services are given, by service and file."""
    secrets: dict[str, Object] = {name: secret for name, pod in world.ours() if (secret := world.secret(pod))}
    return {
        (name, file): base64.b64decode(secret["data"][file]).decode()
        for name, secret in secrets.items()
        for file in FILES
        if file in secret["data"]
    }

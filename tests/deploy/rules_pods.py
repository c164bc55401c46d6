"""What must hold for every pod by itself: rights, probes, ports, images, resources, its end."""

import re
from collections.abc import Iterator
from decimal import Decimal

import yaml

from shared.service import SERVER_SECONDS
from tests.deploy.world import ROOT, SERVICES, Object, Pod, World, is_broker

VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
COMMANDS = {"executor": "TASKGROVE_EXECUTOR_PROCESS_SLOTS", "checker": "TASKGROVE_CHECKER_SLOTS"}
"""The services that run commands, and the setting that says how many at once."""
HOST = ("hostNetwork", "hostPID", "hostIPC", "hostAliases")
UNITS = {"": 1, "m": Decimal("0.001"), "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
DOCKERFILE = (ROOT / "Dockerfile").read_text() if (ROOT / "Dockerfile").exists() else ""
PROMETHEUS = ROOT / "deploy/prometheus/prometheus.yml"
COMPOSE_FILE = ROOT / "docker-compose.yml"
COMPOSE: set[str] = (
    {re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", one["image"]) for one in yaml.safe_load(COMPOSE_FILE.read_text())["services"].values()}
    if COMPOSE_FILE.exists()
    else set()
)


def restricted(world: World) -> Iterator[str]:
    """Pod Security `restricted`, and what goes beyond it: no writing to the image, no token, an account of its own."""
    for namespace in world.all("Namespace"):
        if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{namespace['metadata']['name']} does not enforce Pod Security restricted"
    for pod in world.pods():
        yield from (f"{pod.name}: {problem}" for problem in _rights_of_pod(pod))
        for container in pod.containers:
            yield from (
                f"{pod.name}: {container['name']}: {problem}" for problem in _rights_of_container(container.get("securityContext", {}))
            )


def _rights_of_pod(pod: Pod) -> Iterator[str]:
    context = pod.spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser") or not context.get("runAsGroup"):
        yield "may be root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    yield from (f"sets {key}" for key in HOST if pod.spec.get(key))
    for volume in pod.spec.get("volumes", []):
        yield from (f"mounts a {kind}" for kind in set(volume) - {"name"} - VOLUMES)


def _rights_of_container(context: dict[str, object]) -> Iterator[str]:
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may gain rights"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write to its image"
    if context.get("runAsUser", 1) == 0 or context.get("runAsNonRoot") is not True:
        yield "may be root"


def tokens(world: World) -> Iterator[str]:
    """No pod can speak to Kubernetes, and none shares an account."""
    accounts = [pod.spec.get("serviceAccountName", "default") for pod in world.pods()]
    yield from (
        f"the service account {name} is used by {accounts.count(name)} workloads" for name in set(accounts) if accounts.count(name) > 1
    )
    yield from (f"service account {name} is missing" for name in set(accounts) if not world.has("ServiceAccount", name))
    for one in world.all("ServiceAccount"):
        if one.get("automountServiceAccountToken") is not False:
            yield f"service account {one['metadata']['name']} hands out tokens"
    yield from (f"{pod.name} mounts a token" for pod in world.pods() if pod.spec.get("automountServiceAccountToken") is not False)
    yield from (f"{pod.name} gets variables of other services" for pod in world.pods() if pod.spec.get("enableServiceLinks") is not False)


def probes(world: World) -> Iterator[str]:
    """Alive is the process, ready is broker and store: a restart mends only the first."""
    wanted = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for name, pod in world.ours():
        for probe, path in wanted.items():
            asked = pod.container.get(probe, {}).get("httpGet", {})
            if asked.get("path") != path or asked.get("port") != "http":
                yield f"{name}: its {probe} asks {asked}, not {path} on port http"
    for pod in world.pods():
        yield from (f"{pod.name} has no {probe}" for probe in wanted if probe not in pod.container)


def ports(world: World) -> Iterator[str]:
    """The port that the service is told to listen on is the one that is known outside, and that the image says."""
    for name, pod in world.ours():
        if str(pod.port("http")) != world.environment(pod).get("TASKGROVE_HTTP_PORT"):
            yield f"{name} listens on {world.environment(pod).get('TASKGROVE_HTTP_PORT')} and its pod says {pod.port('http')}"
        if DOCKERFILE and f"EXPOSE {pod.port('http')}" not in DOCKERFILE:
            yield f"{name}: its image does not expose {pod.port('http')}"
    for one in world.all("Service"):
        selected = world.selected({"matchLabels": one["spec"]["selector"]})
        for port in one["spec"]["ports"]:
            yield from (
                f"service {one['metadata']['name']}: {pod.name} has no {port}" for pod in selected if not pod.port(port["targetPort"])
            )


def scraping(world: World) -> Iterator[str]:
    """Prometheus finds the five, and the broker that is in the cluster, as deploy/prometheus has it: rules and dashboard build on that."""
    monitors = world.all("PodMonitor")
    watched = {one["metadata"]["name"]: world.selected(one["spec"]["selector"]) for one in monitors}
    for one in monitors:
        pods = watched[one["metadata"]["name"]]
        for endpoint in one["spec"]["podMetricsEndpoints"]:
            yield from (f"{pod.name}: no port {endpoint['port']} to scrape" for pod in pods if not pod.port(endpoint["port"]))
        yield from _broker_scraped(one, pods) if any(is_broker(pod) for pod in pods) else _five_scraped(one, pods)
    if monitors and any(is_broker(pod) for pod in world.pods()) and not any(is_broker(pod) for pods in watched.values() for pod in pods):
        yield "nothing scrapes the broker of the cluster: the alert on deep queues is mute"


def _five_scraped(monitor: Object, pods: list[Pod]) -> Iterator[str]:
    if {pod.service for pod in pods} != set(SERVICES):
        yield f"the PodMonitor watches {[pod.name for pod in pods]}, not the five"
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        if endpoint["path"] != "/metrics" or [one["targetLabel"] for one in endpoint["relabelings"]] != ["service"]:
            yield "the PodMonitor scrapes something else, or without the label service"
    if {pod.labels.get(monitor["spec"]["jobLabel"]) for pod in pods} != {"taskgrove"}:
        yield "the job of what is scraped is not taskgrove"


def _broker_scraped(monitor: Object, pods: list[Pod]) -> Iterator[str]:
    """The same jobs, paths and parameters, at the same port, as Prometheus has beside docker-compose.yml."""
    jobs = [one for one in yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"] if one["job_name"].startswith("rabbitmq")]
    targets = {target for one in jobs for static in one["static_configs"] for target in static["targets"]}
    wanted = sorted((one["job_name"], one.get("metrics_path", "/metrics"), str(one.get("params"))) for one in jobs)
    found = []
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        renamed = [one["replacement"] for one in endpoint.get("relabelings", []) if one["targetLabel"] == "job"]
        job = renamed[0] if renamed else pods[0].labels.get(monitor["spec"]["jobLabel"])
        found.append((job, endpoint["path"], str(endpoint.get("params"))))
        if not all(f":{pod.port(endpoint['port'])}" in target for pod in pods for target in targets):
            yield f"the broker's figures are not at its port {endpoint['port']}, but at {sorted(targets)}"
    if sorted(found) != wanted:
        yield f"the broker is scraped as {sorted(found)}, and deploy/prometheus/prometheus.yml has {wanted}"


def images(world: World) -> Iterator[str]:
    """Ours are named for their service and run as the user of the Dockerfile; every image is pinned, for trying it to those of compose."""
    for pod in world.pods():
        for container in pod.containers:
            name, _, digest = container["image"].partition("@")
            repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "")
            if not digest and tag in ("", "latest"):
                yield f"{pod.name}: {container['image']} can be anything tomorrow"
            if world.overlay == "dev" and COMPOSE and container["image"] not in COMPOSE:
                yield f"{pod.name}: docker-compose.yml has no {container['image']}; it has {sorted(COMPOSE)}"
            if pod.service and not f"/{repository}".endswith(f"/taskgrove/{pod.service}"):
                yield f"{pod.name}: {container['image']} is not the image of {pod.service}"
    for name, pod in world.ours():
        context = pod.spec["securityContext"]
        if DOCKERFILE and f"USER {context['runAsUser']}:{context['runAsGroup']}" not in DOCKERFILE:
            yield f"{name} runs as {context['runAsUser']}:{context['runAsGroup']}, which is not the user of its image"


def resources(world: World) -> Iterator[str]:
    """Everything is asked for and bounded, and what may be written to emptyDirs fits into the bound."""
    for pod in world.pods():
        for container in pod.containers:
            given = container.get("resources", {})
            for name in ("cpu", "memory", "ephemeral-storage"):
                asked, bound = (quantity(given.get(kind, {}).get(name, "0")) for kind in ("requests", "limits"))
                if not 0 < asked <= bound:
                    yield f"{pod.name}: {container['name']} asks for {asked} {name} and may have {bound}"
        sizes = [volume["emptyDir"].get("sizeLimit", "1024Gi") for volume in pod.spec.get("volumes", []) if "emptyDir" in volume]
        if sum(map(quantity, sizes)) > quantity(pod.container["resources"]["limits"].get("ephemeral-storage", "0")):
            yield f"{pod.name}: its emptyDirs may hold more than its ephemeral storage"


def slots(world: World) -> Iterator[str]:
    """What runs commands does at most two at once for a processor that it may use, and no process of them may use all of its memory."""
    for service, setting in COMMANDS.items():
        pod = world.pod(service)
        given, limits = world.environment(pod), pod.container["resources"]["limits"]
        memory = f"TASKGROVE_{service.upper()}_COMMAND_MEMORY_BYTES"
        if not 0 < int(given.get(setting, 0)) <= 2 * quantity(limits["cpu"]):
            yield f"{service}: {setting} is {given.get(setting)}, and it may use {limits['cpu']} processors"
        if not 0 < int(given.get(memory, 0)) < quantity(limits["memory"]):
            yield f"{service}: {memory} is {given.get(memory)}, and it may use {limits['memory']} itself"


def quantity(text: str) -> Decimal:
    """A quantity of Kubernetes as a number."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()  # type: ignore[union-attr]
    return Decimal(number) * UNITS[unit]


def ending(world: World) -> Iterator[str]:
    """The time to drain, then to answer what runs and to write the last lines, is over before Kubernetes kills."""
    for name, pod in world.ours():
        drain = float(world.environment(pod).get("TASKGROVE_DRAIN_SECONDS", "inf"))
        before = float(pod.container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["", "0"])[-1])
        if before + drain + 2 * SERVER_SECONDS >= pod.spec["terminationGracePeriodSeconds"]:
            yield f"{name} drains for {drain} s and is killed after {pod.spec['terminationGracePeriodSeconds']} s"

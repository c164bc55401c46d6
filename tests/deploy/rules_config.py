"""What must hold between the objects, and between them and the code: names, settings, secrets, volumes, selectors, scaling."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, TypeAdapter, ValidationError

from scripts.docs.settings import all_settings, own_fields
from shared.secrets import REQUIRED
from tests.deploy.world import ROOT, SERVICES, Object, Pod, World

TMP = "/tmp"  # noqa: S108 (of a pod)
CLIENTS = {"AWS_REGION"}
"""Settings of the libraries that we use, not ours."""


@cache
def known_settings() -> dict[str, Any]:
    return {name: field for _, settings in all_settings() for name, field in own_fields(settings).items()}


@cache
def services_that_call(function: str) -> set[str]:
    """The services whose code calls it."""
    return {name for name in SERVICES if any(f"{function}(" in path.read_text() for path in (ROOT / "services" / name).rglob("*.py"))}


def settings(world: World) -> Iterator[str]:
    """Each variable is a setting of the code, with a value that the code takes."""
    for name, pod in world.ours():
        for key, value in world.environment(pod).items():
            if key in CLIENTS:
                continue
            if key not in known_settings():
                yield f"{name}: {key} is no setting; .env.example lists them"
                continue
            field = known_settings()[key]
            try:
                TypeAdapter(Annotated[field.annotation, Field(), *field.metadata]).validate_python(value)
            except ValidationError as error:
                yield f"{name}: {key}={value}: {error.errors()[0]['msg']}"


def secrets(world: World) -> Iterator[str]:
    """Secrets are files for the service's group alone, named for settings, with those that must be there; never variables."""
    needed = {f"taskgrove_{field}" for field in REQUIRED}
    for name, pod in world.ours():
        directory = world.environment(pod).get("TASKGROVE_SECRETS_DIR", "")
        volume = (pod.mounted(directory) or {}).get("secret", {})
        if volume.get("defaultMode") != 0o440:
            yield f"{name}: no Secret with mode 0440 is mounted at TASKGROVE_SECRETS_DIR={directory!r}"
        if not pod.spec["securityContext"].get("fsGroup"):
            yield f"{name}: without fsGroup its secrets are root's"
        if not f"{volume.get('secretName')}-".startswith(f"taskgrove-{name}-"):
            yield f"{name} uses the Secret {volume.get('secretName')}, not one of its own"
        yield from (
            f"{name}: {key} is a secret in a variable" for key in world.environment(pod) if key.lower() in needed or key.endswith("_KEY")
        )
        if secret := world.secret(pod):
            files = set(secret.get("data", {}))
            yield from (f"{name}: its Secret lacks {file}" for file in needed - files)
            yield from (f"{name}: {file} is no setting" for file in files if file.upper() not in known_settings())
            for key, value in world.environment(pod).items():
                if key != "TASKGROVE_SECRETS_DIR" and value.startswith(f"{directory}/") and value.rpartition("/")[2] not in files:
                    yield f"{name}: {key} names {value}, which its Secret lacks"


def volumes(world: World) -> Iterator[str]:
    """What a service writes to is mounted where its settings say, and artifacts reach those who use them and nobody else."""
    for name, pod in world.ours():
        environment = world.environment(pod)
        if "emptyDir" not in (pod.mounted(environment["TASKGROVE_WORK_DIR"]) or {}):
            yield f"{name}: TASKGROVE_WORK_DIR={environment['TASKGROVE_WORK_DIR']} cannot be written"
        if "emptyDir" not in (pod.mounted(TMP) or {}):
            yield f"{name}: /tmp cannot be written"
        where = urlsplit(environment.get("TASKGROVE_ARTIFACTS_URL", ""))
        claims = [volume for volume in pod.spec["volumes"] if "persistentVolumeClaim" in volume]
        uses = name in services_that_call("ArtifactStore.open")
        if where.scheme == "file" and uses and "persistentVolumeClaim" not in (pod.mounted(where.path) or {}):
            yield f"{name}: no claim is mounted at {where.path}"
        if claims and (where.scheme != "file" or not uses):
            yield f"{name} mounts {claims} and keeps no artifacts"
        if not where.scheme:
            yield f"{name}: TASKGROVE_ARTIFACTS_URL is missing"


def references(world: World) -> Iterator[str]:
    """What a pod names is there; the Secrets of our services may come from elsewhere."""
    for pod in world.pods():
        for kind, name in _named(pod):
            elsewhere = kind == "Secret" and pod.service and not world.all("Secret") and name == f"taskgrove-{pod.service}"
            if not elsewhere and not world.has(kind, name):
                yield f"{pod.name}: {kind} {name} is missing"
        used = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
        made = {volume["name"] for volume in pod.spec.get("volumes", [])}
        claimed = {claim["metadata"]["name"] for claim in pod.workload["spec"].get("volumeClaimTemplates", [])}
        if used != made | claimed:
            yield f"{pod.name} mounts {sorted(used)} and has {sorted(made | claimed)}"
    yield from _ingresses(world)


def _ingresses(world: World) -> Iterator[str]:
    """People are led to the approvals service, to a port that it has."""
    ports = [port["name"] for port in world.get("Service", "taskgrove-approvals")["spec"]["ports"]]
    for one in world.all("Ingress"):
        for path in (path for rule in one["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            if backend["name"] != "taskgrove-approvals" or backend["port"].get("name") not in ports:
                yield f"the Ingress leads to {backend}"


def _named(pod: Pod) -> Iterator[tuple[str, str]]:
    for container in pod.containers:
        yield from (("ConfigMap", source["configMapRef"]["name"]) for source in container.get("envFrom", []))
    for volume in pod.spec.get("volumes", []):
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            if "configMap" in source:
                yield "ConfigMap", source["configMap"]["name"]
            if "secret" in source:
                yield "Secret", source["secret"].get("secretName") or source["secret"]["name"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]


def selectors(world: World) -> Iterator[str]:
    """Everything that selects pods selects what it means: its own workload, or for a policy somebody."""
    if sorted(name for name, _ in world.ours()) != sorted(SERVICES):
        yield f"the services are {sorted(name for name, _ in world.ours())}"
    for one in world.objects:
        if one["kind"] != "Namespace" and one["metadata"].get("namespace") != "taskgrove":
            yield f"{one['kind']} {one['metadata']['name']} is outside of the namespace"
        for what, selector in _selectors(one):
            selected = {pod.name for pod in world.selected(selector)}
            wanted = {one["metadata"]["name"]}
            if selected != wanted and one["kind"] not in ("NetworkPolicy", "PodMonitor"):
                yield f"{what} of {one['kind']} {one['metadata']['name']} takes {sorted(selected)}"
            if not selected:
                yield f"{what} of {one['kind']} {one['metadata']['name']} takes nobody"


def _selectors(one: Object) -> Iterator[tuple[str, Object]]:
    spec = one.get("spec", {})
    match one["kind"]:
        case "Deployment" | "StatefulSet":
            yield "the selector", spec["selector"]
            spread = spec["template"]["spec"].get("topologySpreadConstraints", [])
            yield from (("a spread constraint", constraint.get("labelSelector", {})) for constraint in spread)
        case "Service":
            yield "the selector", {"matchLabels": spec["selector"]}
        case "PodDisruptionBudget" | "PodMonitor":
            yield "the selector", spec.get("selector", {})
        case "NetworkPolicy":
            yield "the selector", spec["podSelector"]


def scaling(world: World) -> Iterator[str]:
    """Autoscalers aim at what is there and counts itself; budgets let one go and leave one, and a roll-out takes nobody away first."""
    scalers = {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in world.all("HorizontalPodAutoscaler")}
    yield from (f"an autoscaler aims at {name}, which is not there" for name in scalers if not world.has("Deployment", name))
    budgets = {pod.name: one["spec"] for one in world.all("PodDisruptionBudget") for pod in world.selected(one["spec"].get("selector", {}))}
    for name, pod in world.ours():
        spec, scaler = pod.workload["spec"], scalers.get(pod.name)
        if scaler and "replicas" in spec:
            yield f"{name}: replicas undo its autoscaler at each apply"
        if scaler and not pod.container["resources"]["requests"].get("cpu"):
            yield f"{name}: its autoscaler measures CPU against a request that is missing"
        least = scaler["minReplicas"] if scaler else spec.get("replicas", 1)
        budget = budgets.get(pod.name, {})
        if budget.get("maxUnavailable", 1 if "minAvailable" in budget else 0) < 1 or budget.get("minAvailable", 0) >= max(least, 1):
            yield f"{name}: its disruption budget {budget} holds up the drain of a node at {least} replicas"
        if world.overlay == "production" and least < 2:
            yield f"{name}: one pod is no pod while its node is drained"
        if spec["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
            yield f"{name}: a roll-out takes pods away before others are ready"


def documented(world: World) -> Iterator[str]:
    """Secrets that an overlay leaves to its user are named in the guide, file by file."""
    guide = (ROOT / "docs/how-to/kubernetes.md").read_text()
    for _, pod in world.ours():
        if not world.secret(pod):
            name = pod.mounted(world.environment(pod)["TASKGROVE_SECRETS_DIR"])
            wanted = [name["secret"]["secretName"] if name else "", *(f"taskgrove_{field}" for field in REQUIRED)]
            yield from (f"the guide does not say {word}" for word in wanted if word not in guide)


def labels(world: World) -> Iterator[str]:
    """Ours carry the recommended labels, on the object and on its pods."""
    for name, pod in world.ours():
        wanted = {"name": "taskgrove", "component": name, "part-of": "taskgrove"}
        for where in (pod.workload["metadata"].get("labels", {}), pod.labels):
            if {key: where.get(f"app.kubernetes.io/{key}") for key in wanted} != wanted:
                yield f"{name}: labelled {json.dumps(where)}"

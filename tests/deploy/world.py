"""What an overlay brings into a cluster, looked at as the cluster would: which pods there are, and what selects, feeds and guards them."""

import base64
import copy
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.needs import KUBECTL

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = tuple(sorted(path.name for path in (ROOT / "deploy/k8s/overlays").iterdir()))
SERVICES = ("planner", "sequencer", "executor", "checker", "approvals")

Object = dict[str, Any]


@cache
def _rendered(overlay: str) -> tuple[Object, ...]:
    command = [str(KUBECTL), "kustomize", str(ROOT / "deploy/k8s/overlays" / overlay)]
    return tuple(one for one in yaml.safe_load_all(subprocess.run(command, capture_output=True, check=True).stdout) if one)


@dataclass(frozen=True)
class Pod:
    """The pods of one Deployment, StatefulSet or Job."""

    workload: Object

    @property
    def name(self) -> str:
        return str(self.workload["metadata"]["name"])

    @property
    def service(self) -> str | None:
        """Which of the five it is; None for what is not ours."""
        return self.labels.get("app.kubernetes.io/component") if self.labels.get("app.kubernetes.io/name") == "taskgrove" else None

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.workload["spec"]["template"]["metadata"]["labels"])

    @property
    def spec(self) -> Object:
        return dict(self.workload["spec"]["template"]["spec"])

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def container(self) -> Object:
        return dict(self.spec["containers"][0])

    def port(self, name_or_number: str | int) -> int | None:
        """The number of a port, if the pod has it."""
        ports = [port for container in self.containers for port in container.get("ports", [])]
        return next((port["containerPort"] for port in ports if name_or_number in (port["name"], port["containerPort"])), None)

    def secrets(self, volume: str) -> list[str]:
        """The Secrets that a volume is made of."""
        found: Object = next((one for one in self.spec.get("volumes", []) if one["name"] == volume), {})
        sources = [source["secret"] for source in (found, *found.get("projected", {}).get("sources", [])) if "secret" in source]
        return [source.get("secretName") or source["name"] for source in sources]

    def mounted(self, path: str) -> Object | None:
        """The volume that is mounted exactly there."""
        mounts = {mount["mountPath"]: mount["name"] for mount in self.container.get("volumeMounts", [])}
        return next((volume for volume in self.spec.get("volumes", []) if volume["name"] == mounts.get(path)), None)


@dataclass(frozen=True)
class World:
    """The objects of one overlay."""

    overlay: str
    objects: list[Object]

    @classmethod
    def of(cls, overlay: str) -> "World":
        """A copy of its own, so that a test may break it."""
        return cls(overlay, copy.deepcopy(list(_rendered(overlay))))

    def all(self, *kinds: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] in kinds]

    def get(self, kind: str, name: str) -> Object:
        """The only object of this name; of a generated name, the part before its hash will do."""
        found = [one for one in self.all(kind) if one["metadata"]["name"] == name]
        return (found or [one for one in self.all(kind) if one["metadata"]["name"].rpartition("-")[0] == name])[0]

    def has(self, kind: str, name: str) -> bool:
        return any(one["metadata"]["name"] == name for one in self.all(kind))

    def pods(self) -> list[Pod]:
        return [Pod(one) for one in self.all("Deployment", "StatefulSet", "Job")]

    def ours(self) -> Iterator[tuple[str, Pod]]:
        yield from ((pod.service, pod) for pod in self.pods() if pod.service)

    def pod(self, service: str) -> Pod:
        return next(pod for name, pod in self.ours() if name == service)

    def selected(self, selector: Object) -> list[Pod]:
        return [pod for pod in self.pods() if matches(selector, pod.labels)]

    def environment(self, pod: Pod) -> dict[str, str]:
        """What the service finds in its environment."""
        return self.environment_of(pod.container)

    def environment_of(self, container: Object) -> dict[str, str]:
        """What one container finds in its environment."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            if self.has("ConfigMap", source["configMapRef"]["name"]):
                found |= self.get("ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {one["name"]: one["value"] for one in container.get("env", [])}

    def files(self, pod: Pod, container: Object) -> dict[str, str]:
        """The secret files that a container finds, by their paths."""
        return {
            f"{mount['mountPath']}/{file}": base64.b64decode(text).decode()
            for mount in container.get("volumeMounts", [])
            for secret in pod.secrets(mount["name"])
            if self.has("Secret", secret)
            for file, text in self.get("Secret", secret)["data"].items()
        }

    def configs(self, pod: Pod) -> dict[str, str]:
        """The files of the ConfigMaps that a pod mounts, by their names."""
        names = [volume["configMap"]["name"] for volume in pod.spec.get("volumes", []) if "configMap" in volume]
        return {file: text for name in names if self.has("ConfigMap", name) for file, text in self.get("ConfigMap", name)["data"].items()}

    def secret(self, pod: Pod) -> Object | None:
        """The Secret that the service finds in TASKGROVE_SECRETS_DIR; None when the overlay leaves it to others."""
        volume = pod.mounted(self.environment(pod).get("TASKGROVE_SECRETS_DIR", "")) or {}
        name = volume.get("secret", {}).get("secretName", "")
        return self.get("Secret", name) if self.has("Secret", name) else None


def is_broker(pod: Pod) -> bool:
    """Whether it is the RabbitMQ of the cluster."""
    return pod.labels.get("app.kubernetes.io/component") == "broker"


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return equal and all(_expressed(one, labels) for one in selector.get("matchExpressions", []))


def _expressed(expression: Object, labels: dict[str, str]) -> bool:
    assert expression["operator"] == "In", f"the tests know no {expression['operator']}"
    return labels.get(expression["key"]) in expression["values"]

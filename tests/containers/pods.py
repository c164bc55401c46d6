"""The pods of an overlay as containers, each given what its manifest says and nothing else. As near as one engine gets to a kubelet."""

import base64
import json
import os
import secrets
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.containers.stack import run, until
from tests.deploy.rules_pods import quantity
from tests.deploy.world import Object, Pod, World

RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""What the public image's entrypoint runs in the end; used where an image of that name has another, which would write to its image."""


@dataclass
class Pods:
    """The world of one overlay on a network of its own."""

    world: World
    directory: Path
    tag: str
    network: str = field(default_factory=lambda: f"taskgrove-pods-{secrets.token_hex(4)}")

    def start(self) -> None:
        """In no order that helps: who needs somebody waits for them. Only whose preparation holds up this start comes last."""
        run(["docker", "network", "create", self.network])
        for pod in sorted(self.world.pods(), key=lambda pod: pod.service is not None and "initContainers" in pod.spec):
            for container in pod.spec.get("initContainers", []):
                self._prepare(pod, container)
            run(self._run(pod, pod.container, "--detach", "--name", self.name(pod)))

    def _prepare(self, pod: Pod, container: Object) -> None:
        """To its end, and once more when that was a failure, as a kubelet does."""
        command = self._run(pod, container, "--rm", "--name", f"{self.name(pod)}-init")
        try:
            run(command, seconds=150)
        except AssertionError as error:
            print(f"{container['name']} is started again: {error}")
            run(command, seconds=150)

    def remove(self) -> None:
        """All of it, whatever happened."""
        names = [name for pod in self.world.pods() for name in (self.name(pod), f"{self.name(pod)}-init")]
        run(["docker", "rm", "--force", "--volumes", *names], check=False)
        run(["docker", "network", "rm", self.network], check=False)

    def name(self, pod: Pod) -> str:
        """Its container's name."""
        return f"{self.network}-{pod.name}"

    def address(self, pod: Pod) -> str:
        """Its IP address, which this machine reaches as a node reaches its pods."""
        found = json.loads(run(["docker", "inspect", self.name(pod)]))[0]
        return str(found["NetworkSettings"]["Networks"][self.network]["IPAddress"])

    def log(self, pod: Pod) -> str:
        """The end of what it wrote."""
        return run(["docker", "logs", "--tail", "20", self.name(pod)], check=False)

    def wait_for(self, pod: Pod, probe: str, *, seconds: float) -> None:
        """Until the probe succeeds as the manifest has it."""
        try:
            until(lambda: self.answers(pod, pod.container[probe]), seconds=seconds, what=f"{probe} of {pod.name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log(pod)}") from None

    def answers(self, pod: Pod, probe: Object) -> bool:
        """One look, as the kubelet looks."""
        if "httpGet" in probe:
            where = f"http://{self.address(pod)}:{pod.port(probe['httpGet']['port'])}{probe['httpGet']['path']}"
            try:
                with urllib.request.urlopen(where, timeout=probe.get("timeoutSeconds", 1)) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False
        try:
            socket.create_connection((self.address(pod), pod.port(probe["tcpSocket"]["port"]) or 0), timeout=1).close()
        except OSError:
            return False
        return True

    def end(self, pod: Pod) -> tuple[int, float]:
        """As Kubernetes ends it: preStop, SIGTERM, and SIGKILL after the grace; the exit code, and how long it took."""
        started = time.monotonic()
        if hook := pod.container.get("lifecycle", {}).get("preStop"):
            run(["docker", "exec", self.name(pod), *hook["exec"]["command"]])
        left = pod.spec["terminationGracePeriodSeconds"] - (time.monotonic() - started)
        run(["docker", "stop", "--time", str(int(left)), self.name(pod)], seconds=120)
        code = int(run(["docker", "inspect", "--format", "{{.State.ExitCode}}", self.name(pod)]))
        return code, time.monotonic() - started

    def _run(self, pod: Pod, container: Object, *options: str) -> list[str]:
        context, limits = pod.spec["securityContext"], container["resources"]["limits"]
        assert context["seccompProfile"]["type"] == "RuntimeDefault", "the engine's own profile, which is used when none is named"
        return [
            *("docker", "run", *options, "--network", self.network, "--hostname", _hostname(pod), "--pull", "never"),
            *(word for alias in self._aliases(pod) for word in ("--network-alias", alias)),
            *("--user", f"{context['runAsUser']}:{context['runAsGroup']}", "--group-add", str(context["fsGroup"])),
            *("--read-only" for _ in range(container["securityContext"]["readOnlyRootFilesystem"])),
            *(word for capability in container["securityContext"]["capabilities"]["drop"] for word in ("--cap-drop", capability)),
            *("--security-opt", f"no-new-privileges={str(not container['securityContext']['allowPrivilegeEscalation']).lower()}"),
            *("--memory", str(int(quantity(limits["memory"]))), "--cpus", str(quantity(limits["cpu"]))),
            *(word for key, value in self._environment(pod, container).items() for word in ("--env", f"{key}={value}")),
            *(word for mount in container["volumeMounts"] for word in self._mount(pod, mount)),
            *self._program(pod, container),
        ]

    def _environment(self, pod: Pod, container: Object) -> dict[str, str]:
        found = self.world.environment_of(container)
        if container["image"].startswith("mongo:") and not _is_public(container["image"]):
            # The public image reads X out of the file that X_FILE names; one that stands in for it knows only X.
            files = self.world.files(pod, container)
            found |= {name.removesuffix("_FILE"): files[path] for name, path in found.items() if name.endswith("_FILE")}
        return found

    def _program(self, pod: Pod, container: Object) -> list[str]:
        """Image, command and arguments. A command of the manifest replaces the entrypoint of the image."""
        image, command = str(container["image"]), list(container.get("command", []))
        if "taskgrove/" in image:
            image = f"{image.rpartition(':')[0]}:{self.tag}"
        elif pod.name == "rabbitmq" and not _is_public(image):
            command = [RABBITMQ]
        return [*(("--entrypoint", command[0]) if command else ()), image, *command[1:], *container.get("args", [])]

    def _aliases(self, pod: Pod) -> Iterator[str]:
        for service in self.world.all("Service"):
            if pod in self.world.selected({"matchLabels": service["spec"]["selector"]}):
                yield service["metadata"]["name"]
                if service["spec"].get("clusterIP") == "None":
                    yield f"{_hostname(pod)}.{service['metadata']['name']}"

    def _mount(self, pod: Pod, mount: Object) -> list[str]:
        volume: Object = next((one for one in pod.spec.get("volumes", []) if one["name"] == mount["name"]), {})
        group = pod.spec["securityContext"]["fsGroup"]
        if "emptyDir" in volume:
            path, mode = self.directory / "empty" / pod.name / mount["name"], 0o2777
        elif "persistentVolumeClaim" in volume or not volume:
            claim = volume.get("persistentVolumeClaim", {}).get("claimName", f"{mount['name']}-{pod.name}")
            path, mode = self.directory / "claims" / claim, 0o2775
        else:
            path, mode = self.directory / "files" / pod.name / mount["name"], 0o2775
            self._lay_out(volume, path, group=group)
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, 0, group)
        path.chmod(mode)
        return ["--volume", f"{path}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}"]

    def _lay_out(self, volume: Object, path: Path, *, group: int) -> None:
        """Files as the kubelet lays them out: links to a directory beside them that can be replaced at once; root's, and the group's."""
        mode = next(one["defaultMode"] for one in volume.values() if isinstance(one, dict))
        data = path / "..2026_01_01"
        data.mkdir(parents=True, exist_ok=True)
        for name, content in self._files(volume):
            (data / name).write_bytes(content)
            (data / name).chmod(mode)
            for link, target in ((path / "..data", data.name), (path / name, f"..data/{name}")):
                if not link.is_symlink():
                    link.symlink_to(target)
        for one in (data, *data.iterdir()):
            os.chown(one, 0, group)

    def _files(self, volume: Object) -> Iterator[tuple[str, bytes]]:
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            if "configMap" in source:
                data = self.world.get("ConfigMap", source["configMap"]["name"])["data"]
                yield from ((name, text.encode()) for name, text in data.items())
            if "secret" in source:
                secret = source["secret"].get("secretName") or source["secret"]["name"]
                yield from ((name, base64.b64decode(text)) for name, text in self.world.get("Secret", secret)["data"].items())


def _hostname(pod: Pod) -> str:
    return f"{pod.name}-0"


def _is_public(image: str) -> bool:
    """Whether it is the image that everybody knows by this name, or one that stands in for it."""
    return "docker-entrypoint.sh" in run(["docker", "image", "inspect", "--format", "{{json .Config.Entrypoint}}", image])

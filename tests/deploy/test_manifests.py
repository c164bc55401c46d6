"""The manifests fit each other and the code, in every overlay, as `kubectl apply -k` would send them."""

import base64
import stat
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from scripts.kubernetes_rules import prometheus_rule, rule_files
from services.approvals.first_keys import read_first_keys
from shared.http import with_health
from tests.deploy.rules import RULES
from tests.deploy.world import OVERLAYS, ROOT, SERVICES, World
from tests.needs import with_kubectl

pytestmark = with_kubectl


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("rule", RULES)
def test_it_holds(overlay: str, rule: str) -> None:
    assert list(RULES[rule](World.of(overlay))) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("missing", [[], ["broker"]], ids=["ready", "waiting"])
async def test_the_code_answers_every_probe(overlay: str, missing: list[str]) -> None:
    """A service that waits for its broker is alive, not ready."""
    said: list[int] = []

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            said.append(int(str(message["status"])))

    served = with_health(None, ready=lambda: missing, registry=CollectorRegistry())
    for _, pod in World.of(overlay).ours():
        for probe, status in {"livenessProbe": 200, "readinessProbe": 503 if missing else 200}.items():
            await served({"type": "http", "path": pod.container[probe]["httpGet"]["path"]}, None, send)  # type: ignore[arg-type]
            assert said.pop() == status


def test_who_may_come_in_first_is_read_as_kubernetes_mounts_it(tmp_path: Path) -> None:
    """Mode 0440 is the group's too, which is refused elsewhere; in the directory of the secrets it is what the kubelet makes."""
    world = World.of("dev")
    pod = world.pod("approvals")
    secret, path = world.secret(pod), world.environment(pod)["TASKGROVE_APPROVALS_BOOTSTRAP_KEYS"]
    assert secret is not None
    file = tmp_path / Path(path).name
    file.write_bytes(base64.b64decode(secret["data"][file.name]))
    file.chmod(stat.S_IRUSR | stat.S_IRGRP)
    assert [one.principal.roles for one in read_first_keys(file, secrets=tmp_path)] == [frozenset({"admin"})]


def test_what_the_dev_overlay_gives_away_opens_nothing_else() -> None:
    """Its secrets say that they are for trying it only."""
    for secret in World.of("dev").all("Secret"):
        for name, data in secret["data"].items():
            text = base64.b64decode(data).decode()
            assert name in ("username", "definitions.json") or "dev" in text, name


def test_the_five_differ_only_in_what_is_their_own() -> None:
    """One shape: take name, image, secret, resources and artifacts away, and the same remains."""
    shapes = []
    for name in SERVICES:
        spec = World.of("production").pod(name).spec
        container = spec["containers"][0]
        for key in ("image", "resources", "env", "lifecycle"):
            container.pop(key, None)
        spec["volumes"] = [volume["name"] for volume in spec["volumes"]]
        spec["serviceAccountName"] = spec["serviceAccountName"].removesuffix(f"-{name}")
        for constraint in spec["topologySpreadConstraints"]:
            constraint["labelSelector"]["matchLabels"].pop("app.kubernetes.io/component")
        shapes.append(spec)
    assert all(shape == shapes[0] for shape in shapes)


def test_alert_rules_are_those_of_prometheus() -> None:
    """The cluster alerts on the same rules as docker compose: `make docs` writes them for the operator."""
    written = yaml.safe_load((ROOT / "deploy/k8s/components/monitoring/rules.yaml").read_text())
    assert written == yaml.safe_load(prometheus_rule(ROOT))
    assert [group["name"] for group in written["spec"]["groups"]] == [
        group["name"] for file in rule_files(ROOT) for group in yaml.safe_load(file.read_text())["groups"]
    ]

"""What must hold between pods: exactly the ways that the configuration asks for are open, seen from both ends."""

import base64
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.deploy.rules_config import known_settings, services_that_call
from tests.deploy.world import Object, Pod, World, is_broker

Edge = tuple[str, str, int]

BROKER_METRICS = 15692
PORTS = {"amqp": 5672, "amqps": 5671, "mongodb": 27017, "https": 443, "http": 80, "s3": 443}
ELSEWHERE = {"TASKGROVE_BROKER_URL": "amqps://rabbitmq.example.com", "TASKGROVE_STORE_URL": "mongodb://mongodb.example.com"}
"""What stands in the Secrets that an overlay leaves to its user, as docs/how-to/kubernetes.md has them."""


def denied(world: World) -> Iterator[str]:
    """Every pod is under a policy that forbids everything, both ways."""
    empty = [one["spec"] for one in world.all("NetworkPolicy") if not one["spec"].get("ingress") and not one["spec"].get("egress")]
    deny = [spec for spec in empty if set(spec["policyTypes"]) == {"Ingress", "Egress"}]
    for pod in world.pods():
        if not any(pod in world.selected(spec["podSelector"]) for spec in deny):
            yield f"{pod.name} is under no policy that denies by default"


def ways_out(world: World) -> Iterator[str]:
    """Where the settings point to, and names; nowhere else."""
    wanted = {(pod.name, "dns", 53) for pod in world.pods()} | {edge for pod in world.pods() for edge in _configured(world, pod)}
    yield from _compare(wanted, {edge for one in world.all("NetworkPolicy") for edge in _out(world, one["spec"])}, "way out")


def ways_in(world: World) -> Iterator[str]:
    """From those in the cluster whose settings point here, from people to approvals, from monitoring to the metrics, the broker's too."""
    inside = {pod.name for pod in world.pods()}
    wanted = {edge for pod in world.pods() for edge in _configured(world, pod) if edge[1] in inside}
    wanted |= {("taskgrove/scrapes-metrics", pod.name, pod.port("http") or 0) for _, pod in world.ours()}
    wanted |= {("taskgrove/scrapes-metrics", pod.name, BROKER_METRICS) for pod in world.pods() if is_broker(pod)}
    wanted |= {("taskgrove/reaches-approvals", pod.name, pod.port("http") or 0) for name, pod in world.ours() if name == "approvals"}
    yield from _compare(wanted, {edge for one in world.all("NetworkPolicy") for edge in _in(world, one["spec"])}, "way in")


def named(world: World) -> Iterator[str]:
    """A policy that opens a way out says for which setting; its type says what it is about."""
    for one in world.all("NetworkPolicy"):
        name, spec = one["metadata"]["name"], one["spec"]
        setting = one["metadata"].get("annotations", {}).get("taskgrove/setting")
        if spec.get("egress") and name != "all-to-dns" and setting not in known_settings():
            yield f"{name} opens a way out for {setting}, which is no setting"
        for direction in ("ingress", "egress"):
            if spec.get(direction) and direction.capitalize() not in spec["policyTypes"]:
                yield f"{name} has rules for {direction} and is not about it"


def _compare(wanted: set[Edge], open_: set[Edge], what: str) -> Iterator[str]:
    yield from (f"no {what} from {source} to {target}:{port}" for source, target, port in sorted(wanted - open_))
    yield from (f"an open {what} that no setting asks for: {source} to {target}:{port}" for source, target, port in sorted(open_ - wanted))


def _configured(world: World, pod: Pod) -> Iterator[Edge]:
    """The hosts and ports that this pod's settings name, for what its code does."""
    if not pod.service:
        return
    urls = {**world.environment(pod), **_secret_urls(world, pod)}
    uses = {"TASKGROVE_BROKER_URL", "TASKGROVE_STORE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    uses |= {"TASKGROVE_ARTIFACTS_URL"} if pod.service in services_that_call("ArtifactStore.open") else set()
    uses |= {"TASKGROVE_MODEL_BASE_URL"} if pod.service in services_that_call("open_model") else set()
    for name in uses & set(urls):
        where = urlsplit(urls[name])
        if where.scheme != "file":
            yield pod.name, _place(world, where.hostname or ""), where.port or PORTS[where.scheme]


def _secret_urls(world: World, pod: Pod) -> dict[str, str]:
    secret = world.secret(pod)
    if secret is None:
        return ELSEWHERE
    return {name: base64.b64decode(secret["data"][name.lower()]).decode() for name in ELSEWHERE if name.lower() in secret["data"]}


def _place(world: World, host: str) -> str:
    """The workload behind a name of the namespace, another namespace, or outside."""
    labels = host.split(".")
    for one in world.all("Service"):
        selected = world.selected({"matchLabels": one["spec"]["selector"]})
        headless = one["spec"].get("clusterIP") == "None" and labels[1:2] == [one["metadata"]["name"]]
        if labels == [one["metadata"]["name"]] or (headless and labels[0] == f"{selected[0].name}-0"):
            return selected[0].name
    return labels[1] if len(labels) == 2 and world.overlay and "example" not in labels else "outside"


def _out(world: World, spec: Object) -> Iterator[Edge]:
    for rule in spec.get("egress", []):
        for source in world.selected(spec["podSelector"]):
            for peer in rule.get("to", [{}]):
                for target, pod in _peers(world, peer):
                    yield from ((source.name, target, number) for number in _numbers(rule, pod))


def _in(world: World, spec: Object) -> Iterator[Edge]:
    for rule in spec.get("ingress", []):
        for target in world.selected(spec["podSelector"]):
            for peer in rule.get("from", [{}]):
                yield from ((source, target.name, number) for source, _ in _peers(world, peer) for number in _numbers(rule, target))


def _peers(world: World, peer: Object) -> Iterator[tuple[str, Pod | None]]:
    if "ipBlock" in peer:
        yield "outside", None
    elif "namespaceSelector" in peer:
        labels = peer["namespaceSelector"].get("matchLabels", {"any namespace": ""})
        name = labels.get("kubernetes.io/metadata.name") or next(iter(labels))
        dns = peer.get("podSelector", {}).get("matchLabels") == {"k8s-app": "kube-dns"}
        yield ("dns" if name == "kube-system" and dns else name), None
    elif "podSelector" in peer:
        yield from ((pod.name, pod) for pod in world.selected(peer["podSelector"]))
    else:
        yield "anybody", None


def _numbers(rule: Object, pod: Pod | None) -> Iterator[int]:
    """Port numbers; 0 for one that the pod lacks, and for all of them."""
    for port in rule.get("ports", [{"port": 0}]):
        yield int((pod.port(port["port"]) or 0) if pod else port["port"])

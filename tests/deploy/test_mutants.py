"""Every rule of the manifests can fail: one thing broken at a time, and the rule that must notice."""

import base64
from collections.abc import Callable

import pytest

from tests.deploy.mutants_users import OF_USERS
from tests.deploy.rules import RULES
from tests.deploy.world import Object, World
from tests.needs import with_kubectl

pytestmark = with_kubectl

Break = Callable[[World], object]


def spec(world: World, service: str = "executor") -> Object:
    """The pod's own spec, to be changed in place."""
    found: Object = world.get("Deployment", f"taskgrove-{service}")["spec"]["template"]["spec"]
    return found


def box(world: World, service: str = "executor") -> Object:
    found: Object = spec(world, service)["containers"][0]
    return found


def policy(world: World, name: str) -> Object:
    found: Object = world.get("NetworkPolicy", name)["spec"]
    return found


def settings(world: World) -> Object:
    found: Object = world.get("ConfigMap", "taskgrove-settings")["data"]
    return found


def drop(world: World, kind: str, name: str) -> None:
    world.objects.remove(world.get(kind, name))


def volume(world: World, name: str, service: str = "executor") -> Object:
    found: Object = next(one for one in spec(world, service)["volumes"] if one["name"] == name)
    return found


def secret_of(world: World, service: str) -> Object:
    found = world.secret(world.pod(service))
    assert found is not None
    data: Object = found["data"]
    return data


def beside(world: World, kind: str, name: str, change: Object) -> None:
    """A second object like this one, with its spec changed."""
    one = world.get(kind, name)
    world.objects.append({**one, "metadata": {**one["metadata"], "name": f"{name}-too"}, "spec": {**one["spec"], **change}})


def set_in(where: Object, key: str, value: object) -> None:
    where[key] = value


def broker_endpoint(world: World) -> Object:
    """Where each queue of the broker has its name."""
    found: Object = world.get("PodMonitor", "rabbitmq")["spec"]["podMetricsEndpoints"][1]
    return found


MUTANTS: list[tuple[str, str, str, Break]] = [
    ("dev", "restricted", "root", lambda w: set_in(spec(w)["securityContext"], "runAsUser", 0)),
    ("dev", "restricted", "no seccomp", lambda w: spec(w)["securityContext"].pop("seccompProfile")),
    ("dev", "restricted", "writable image", lambda w: set_in(box(w)["securityContext"], "readOnlyRootFilesystem", False)),
    ("dev", "restricted", "capability kept", lambda w: set_in(box(w)["securityContext"], "capabilities", {"drop": ["NET_RAW"]})),
    ("dev", "restricted", "capability added", lambda w: box(w)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"])),
    ("dev", "restricted", "rights gained", lambda w: box(w)["securityContext"].pop("allowPrivilegeEscalation")),
    ("dev", "restricted", "the host's files", lambda w: spec(w)["volumes"].append({"name": "host", "hostPath": {"path": "/"}})),
    ("dev", "restricted", "the host's network", lambda w: set_in(spec(w), "hostNetwork", True)),
    ("dev", "restricted", "baseline only", lambda w: w.get("Namespace", "taskgrove")["metadata"]["labels"].clear()),
    ("dev", "tokens", "a token in the pod", lambda w: spec(w).pop("automountServiceAccountToken")),
    ("dev", "tokens", "a token of the account", lambda w: w.get("ServiceAccount", "mongodb").pop("automountServiceAccountToken")),
    ("dev", "tokens", "a shared account", lambda w: set_in(spec(w), "serviceAccountName", "taskgrove-planner")),
    ("dev", "tokens", "service links", lambda w: spec(w).pop("enableServiceLinks")),
    ("dev", "probes", "liveness asks the broker", lambda w: set_in(box(w)["livenessProbe"]["httpGet"], "path", "/readyz")),
    ("dev", "probes", "no readiness", lambda w: box(w).pop("readinessProbe")),
    ("dev", "ports", "another port in the settings", lambda w: set_in(settings(w), "TASKGROVE_HTTP_PORT", "8000")),
    ("dev", "ports", "another port in the pod", lambda w: set_in(box(w)["ports"][0], "containerPort", 8081)),
    ("dev", "ports", "a service without a port", lambda w: set_in(w.get("Service", "mongodb")["spec"]["ports"][0], "targetPort", "db")),
    (
        "production",
        "scraping",
        "no such port",
        lambda w: set_in(w.get("PodMonitor", "taskgrove")["spec"]["podMetricsEndpoints"][0], "port", "web"),
    ),
    (
        "production",
        "scraping",
        "another job",
        lambda w: w.get("PodMonitor", "taskgrove")["spec"].update(jobLabel="app.kubernetes.io/component"),
    ),
    (
        "production",
        "scraping",
        "one service",
        lambda w: w.get("PodMonitor", "taskgrove")["spec"].update(selector={"matchLabels": {"app.kubernetes.io/component": "checker"}}),
    ),
    ("dev-monitored", "scraping", "nobody scrapes the broker", lambda w: drop(w, "PodMonitor", "rabbitmq")),
    ("dev-monitored", "scraping", "totals, no queue by its name", lambda w: set_in(broker_endpoint(w), "path", "/metrics")),
    ("dev-monitored", "scraping", "queues under the node's job", lambda w: broker_endpoint(w).pop("relabelings")),
    ("dev-monitored", "scraping", "no figures at the broker's port", lambda w: set_in(broker_endpoint(w), "port", "amqp")),
    ("dev", "images", "latest", lambda w: set_in(box(w), "image", "taskgrove/executor:latest")),
    ("dev", "images", "no tag", lambda w: set_in(box(w), "image", "host:5000/taskgrove/executor")),
    ("dev", "images", "another service's", lambda w: set_in(box(w), "image", "taskgrove/checker:local")),
    ("dev", "images", "another user", lambda w: set_in(spec(w)["securityContext"], "runAsUser", 10002)),
    ("dev", "resources", "no limit", lambda w: box(w)["resources"]["limits"].pop("memory")),
    ("dev", "resources", "more than the limit", lambda w: set_in(box(w)["resources"]["requests"], "cpu", "8")),
    ("dev", "resources", "a boundless emptyDir", lambda w: volume(w, "tmp")["emptyDir"].clear()),
    ("dev", "ending", "killed while it drains", lambda w: set_in(settings(w), "TASKGROVE_DRAIN_SECONDS", "50")),
    ("dev", "ending", "a short grace", lambda w: set_in(spec(w), "terminationGracePeriodSeconds", 30)),
    ("dev", "settings", "a misspelt key", lambda w: set_in(settings(w), "TASKGROVE_LOG_LEVL", "info")),
    ("dev", "settings", "a value out of bounds", lambda w: set_in(settings(w), "TASKGROVE_DRAIN_SECONDS", "6000")),
    ("dev", "settings", "no such log level", lambda w: set_in(settings(w), "TASKGROVE_LOG_LEVEL", "verbose")),
    ("dev", "secrets", "open to all", lambda w: set_in(volume(w, "secrets")["secret"], "defaultMode", 0o444)),
    ("dev", "secrets", "mounted elsewhere", lambda w: set_in(settings(w), "TASKGROVE_SECRETS_DIR", "/run/secrets")),
    ("dev", "secrets", "no store", lambda w: secret_of(w, "executor").pop("taskgrove_store_url")),
    ("dev", "secrets", "a misspelt file", lambda w: set_in(secret_of(w, "executor"), "taskgrove_model_key", "eA==")),
    ("dev", "secrets", "no first keys", lambda w: secret_of(w, "approvals").pop("taskgrove_approvals_bootstrap_keys")),
    (
        "dev",
        "secrets",
        "another's Secret",
        lambda w: set_in(volume(w, "secrets")["secret"], "secretName", w.get("Secret", "taskgrove-planner")["metadata"]["name"]),
    ),
    ("dev", "secrets", "in a variable", lambda w: set_in(settings(w), "TASKGROVE_STORE_URL", "mongodb://mongodb")),
    *OF_USERS,
    ("dev", "volumes", "artifacts on the image", lambda w: set_in(settings(w), "TASKGROVE_ARTIFACTS_URL", "file:///var/artifacts")),
    (
        "dev",
        "volumes",
        "artifacts in the sequencer",
        lambda w: spec(w, "sequencer")["volumes"].append({"name": "a", "persistentVolumeClaim": {"claimName": "taskgrove-artifacts"}}),
    ),
    ("dev", "volumes", "no place for work", lambda w: set_in(settings(w), "TASKGROVE_WORK_DIR", "/work")),
    ("dev", "references", "no ConfigMap", lambda w: drop(w, "ConfigMap", "taskgrove-settings")),
    ("dev", "references", "no claim", lambda w: drop(w, "PersistentVolumeClaim", "taskgrove-artifacts")),
    ("dev", "references", "no Secret of the broker's", lambda w: drop(w, "Secret", "rabbitmq-definitions")),
    ("dev", "references", "a volume that is not mounted", lambda w: box(w)["volumeMounts"].pop()),
    (
        "production",
        "references",
        "people led astray",
        lambda w: set_in(
            w.get("Ingress", "taskgrove-approvals")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"],
            "name",
            "taskgrove-planner",
        ),
    ),
    (
        "dev",
        "selectors",
        "a service for all",
        lambda w: w.get("Service", "taskgrove-planner")["spec"]["selector"].pop("app.kubernetes.io/component"),
    ),
    (
        "dev",
        "selectors",
        "a budget for nobody",
        lambda w: set_in(
            w.get("PodDisruptionBudget", "taskgrove-planner")["spec"]["selector"]["matchLabels"], "app.kubernetes.io/name", "grove"
        ),
    ),
    ("dev", "selectors", "another namespace", lambda w: set_in(w.get("Service", "rabbitmq")["metadata"], "namespace", "default")),
    ("dev", "selectors", "a service is gone", lambda w: drop(w, "Deployment", "taskgrove-checker")),
    (
        "production",
        "scaling",
        "a scaler of nothing",
        lambda w: set_in(w.get("HorizontalPodAutoscaler", "taskgrove-executor")["spec"]["scaleTargetRef"], "name", "executor"),
    ),
    (
        "production",
        "scaling",
        "replicas beside the scaler",
        lambda w: set_in(w.get("Deployment", "taskgrove-executor")["spec"], "replicas", 3),
    ),
    (
        "production",
        "scaling",
        "a budget above the least",
        lambda w: set_in(
            w.get("PodDisruptionBudget", "taskgrove-checker"),
            "spec",
            {**w.get("PodDisruptionBudget", "taskgrove-checker")["spec"], "maxUnavailable": 1, "minAvailable": 2},
        ),
    ),
    (
        "production",
        "scaling",
        "a budget that lets nobody go",
        lambda w: set_in(w.get("PodDisruptionBudget", "taskgrove-checker")["spec"], "maxUnavailable", 0),
    ),
    ("production", "scaling", "no budget", lambda w: drop(w, "PodDisruptionBudget", "taskgrove-planner")),
    ("production", "scaling", "only one", lambda w: set_in(w.get("Deployment", "taskgrove-planner")["spec"], "replicas", 1)),
    (
        "production",
        "documented",
        "a Secret that no guide names",
        lambda w: set_in(volume(w, "secrets")["secret"], "secretName", "elsewhere-executor"),
    ),
    (
        "dev",
        "labels",
        "no component",
        lambda w: w.get("Deployment", "taskgrove-planner")["metadata"]["labels"].pop("app.kubernetes.io/part-of"),
    ),
    ("dev", "slots", "the node's processors", lambda w: settings(w).pop("TASKGROVE_CHECKER_SLOTS")),
    ("dev", "slots", "fewer processors", lambda w: set_in(box(w)["resources"]["limits"], "cpu", "1")),
    ("dev", "slots", "less memory", lambda w: set_in(box(w)["resources"]["limits"], "memory", "1Gi")),
    ("dev", "slots", "any memory", lambda w: settings(w).pop("TASKGROVE_EXECUTOR_COMMAND_MEMORY_BYTES")),
    ("dev", "denied", "nothing denies", lambda w: drop(w, "NetworkPolicy", "deny-all")),
    ("dev", "denied", "denied one way", lambda w: set_in(policy(w, "deny-all"), "policyTypes", ["Ingress"])),
    ("dev", "ways_out", "no way to the broker", lambda w: drop(w, "NetworkPolicy", "services-to-broker")),
    (
        "dev",
        "ways_out",
        "another port of the store",
        lambda w: set_in(policy(w, "services-to-store")["egress"][0]["ports"][0], "port", 27018),
    ),
    (
        "dev",
        "ways_out",
        "the broker elsewhere",
        lambda w: set_in(secret_of(w, "planner"), "taskgrove_broker_url", base64.b64encode(b"amqps://mq.example.com").decode()),
    ),
    ("dev", "ways_out", "no names", lambda w: drop(w, "NetworkPolicy", "all-to-dns")),
    ("dev", "ways_out", "everywhere", lambda w: policy(w, "all-to-dns")["egress"].append({})),
    ("dev", "ways_out", "any port of the store", lambda w: policy(w, "services-to-store")["egress"][0].pop("ports")),
    ("dev", "ways_out", "the store may call out", lambda w: beside(w, "NetworkPolicy", "services-to-store", {"podSelector": {}})),
    ("production", "ways_out", "a model for all", lambda w: policy(w, "agents-to-model").update(podSelector={})),
    ("production", "ways_out", "no way to the traces", lambda w: drop(w, "NetworkPolicy", "services-to-collector")),
    (
        "production",
        "ways_out",
        "traces elsewhere",
        lambda w: set_in(settings(w), "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.tracing:4318"),
    ),
    ("dev", "ways_in", "the store lets nobody in", lambda w: drop(w, "NetworkPolicy", "store-from-services")),
    ("dev", "ways_in", "the broker shows nobody its figures", lambda w: drop(w, "NetworkPolicy", "monitoring-to-broker-metrics")),
    ("dev", "ways_in", "anybody reads the broker's figures", lambda w: policy(w, "monitoring-to-broker-metrics")["ingress"][0].pop("from")),
    (
        "dev",
        "ways_in",
        "the store lets all in",
        lambda w: set_in(policy(w, "store-from-services")["ingress"][0], "from", [{"namespaceSelector": {}}]),
    ),
    ("dev", "ways_in", "people at the planner", lambda w: policy(w, "people-to-approvals").update(podSelector={})),
    ("dev", "named", "a way out without a reason", lambda w: w.get("NetworkPolicy", "services-to-broker")["metadata"].pop("annotations")),
    ("dev", "named", "rules that are not in force", lambda w: set_in(policy(w, "services-to-broker"), "policyTypes", ["Ingress"])),
]


@pytest.mark.parametrize(("overlay", "rule", "what", "broken"), MUTANTS, ids=[f"{rule}: {what}" for _, rule, what, _ in MUTANTS])
def test_it_is_noticed(overlay: str, rule: str, what: str, broken: Break) -> None:
    world = World.of(overlay)
    assert list(RULES[rule](world)) == []
    broken(world)
    assert list(RULES[rule](world)) != [], what


def test_every_rule_is_put_to_the_test() -> None:
    assert {rule for _, rule, _, _ in MUTANTS} == set(RULES)

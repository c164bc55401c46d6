"""What `make check-deploy` asks of every object, for a few versions of Kubernetes: that its API has it, and knows each of its fields."""

import re
from collections.abc import Callable

import pytest
from kubernetes_validate.utils import all_versions

from scripts.check_deploy import VERSIONS, against_schemas
from tests.deploy.world import OVERLAYS, World
from tests.needs import with_kubectl

pytestmark = with_kubectl

FEW = (VERSIONS[0], VERSIONS[len(VERSIONS) // 2], VERSIONS[-1])
OPERATORS = {"PodMonitor", "PrometheusRule"}
"""What belongs to the Prometheus operator, and is judged by its own types."""


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_knows_every_object_and_every_field(overlay: str) -> None:
    assert list(against_schemas(World.of(overlay).objects, FEW)) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_of_kubernetes_is_left_out(overlay: str) -> None:
    """With an unknown field in each object, each is a finding, but those of the operator."""
    world = World.of(overlay)
    for one in world.objects:
        one["unheardOf"] = True
    names = [f"{one['kind']} {one['metadata']['name']}" for one in world.objects if one["kind"] not in OPERATORS]
    found = list(against_schemas(world.objects, FEW[-1:]))
    assert [one.partition(":")[0] for one in found] == names
    assert all("'unheardOf' was unexpected" in one for one in found)


def test_each_version_has_schemas_of_its_own() -> None:
    """Or the judge would take those of an older one, and say nothing."""
    assert {".".join(version.split(".")[:2]) for version in all_versions()} >= set(VERSIONS)


def _executor(world: World) -> dict[str, object]:
    found: dict[str, object] = world.get("Deployment", "taskgrove-executor")["spec"]
    return found


def _container(world: World) -> dict[str, object]:
    found: dict[str, object] = world.pod("executor").spec["containers"][0]
    return found


BROKEN: dict[str, tuple[Callable[[World], object], str]] = {
    "a field that is misspelt": (
        lambda world: _container(world).update(imagePullPolice="Always"),
        "Deployment taskgrove-executor: Kubernetes {version}: spec.template.spec.containers.0: .*'imagePullPolice' was unexpected",
    ),
    "a word for a number": (
        lambda world: _executor(world).update(replicas="two"),
        "Deployment taskgrove-executor: Kubernetes {version}: spec.replicas: 'two' is not of type",
    ),
    "an API that is gone": (
        lambda world: world.all("PodDisruptionBudget")[0].update(apiVersion="policy/v1beta1"),
        "PodDisruptionBudget .*: Kubernetes {version} has no policy/v1beta1 PodDisruptionBudget",
    ),
}


@pytest.mark.parametrize(("broken", "says"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_refused_in_each_version(broken: Callable[[World], object], says: str) -> None:
    world = World.of("production")
    broken(world)
    found = list(against_schemas(world.objects, FEW))
    assert len(found) == len(FEW)
    for version, one in zip(FEW, found, strict=True):
        assert re.match(says.format(version=version), one), one

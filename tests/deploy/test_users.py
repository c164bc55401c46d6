"""How the users of broker and store come to be: by the programs of the code, from the files that the manifests and guides name."""

from pathlib import Path

import pytest
import yaml

from shared.messaging import definitions as program
from shared.storage.prepare import ROOT as ROOT_USER
from shared.storage.prepare import read_urls
from tests.deploy.rules_config import known_settings
from tests.deploy.rules_pods import resources, restricted
from tests.deploy.world import ROOT, SERVICES, Pod, World
from tests.needs import with_kubectl

DEV = ROOT / "deploy/k8s/overlays/dev/dev-only"
JOB = ROOT / "deploy/k8s/jobs/prepare-store.yaml"
GUIDE = ROOT / "docs/how-to/kubernetes.md"


def test_the_definitions_of_dev_are_what_the_program_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TASKGROVE_SECRETS_DIR", str(DEV))
    program.main()
    assert (DEV / "definitions.json").read_text() == capsys.readouterr().out, f"make it anew: {DEV.parent.name}/kustomization.yaml says how"


def test_the_store_of_dev_is_prepared_from_its_files() -> None:
    assert sorted(read_urls(DEV)) == sorted(SERVICES)


@with_kubectl
def test_the_job_may_do_no_more_than_a_service_and_reaches_the_store() -> None:
    job, world = yaml.safe_load(JOB.read_text()), World.of("production")
    job["metadata"]["name"] = job["metadata"]["generateName"]
    alone = World("production", [job])
    assert [*restricted(alone), *resources(alone)] == []
    [pod] = alone.pods()
    assert pod.spec["automountServiceAccountToken"] is False
    world.objects.append(job)
    chosen = {one["metadata"]["name"] for one in world.all("NetworkPolicy") if pod in world.selected(one["spec"]["podSelector"])}
    assert {"services-to-store", "all-to-dns", "deny-all"} <= chosen
    assert not [one for one in world.all("Service") if pod in world.selected({"matchLabels": one["spec"]["selector"]})]


def test_the_job_is_the_container_that_dev_has() -> None:
    """Only its image is yours, and the settings that it takes from elsewhere are settings."""
    job = Pod(yaml.safe_load(JOB.read_text())).container
    dev = yaml.safe_load((ROOT / "deploy/k8s/components/mongodb/prepare.yaml").read_text())["spec"]["template"]["spec"]["initContainers"][0]
    own = {"name": "TASKGROVE_STORE_NAME", "value": known_settings()["TASKGROVE_STORE_NAME"].default}
    assert job["env"] == [own, *dev["env"]]
    assert {key: job[key] for key in ("command", "volumeMounts", "securityContext")} == {
        key: dev[key] for key in ("command", "volumeMounts", "securityContext")
    }
    production = yaml.safe_load((ROOT / "deploy/k8s/overlays/production/kustomization.yaml").read_text())["images"]
    [image] = [f"{one['newName']}@{one['digest']}" for one in production if one["name"] == "taskgrove/sequencer"]
    assert job["image"] == image
    assert {f"{variable}_FILE" for variable in ROOT_USER} <= {one["name"] for one in job["env"]}


@pytest.mark.parametrize("word", ["mongodb-root", "mongodb-users", str(JOB.relative_to(ROOT)), "shared.messaging.definitions"])
def test_the_guide_says_how_to_make_them_elsewhere(word: str) -> None:
    assert word in GUIDE.read_text()


def test_every_file_of_dev_is_used() -> None:
    used = (DEV.parent / "kustomization.yaml").read_text()
    assert [path.name for path in sorted(Path(DEV).iterdir()) if f"dev-only/{path.name}" not in used] == []

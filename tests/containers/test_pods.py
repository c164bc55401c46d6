"""The pods of deploy/k8s/overlays/dev, given what their manifests give them: they become ready, do a run, and end within their grace."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import foreign
from tests.containers.pods import Pods
from tests.containers.stack import SERVICES, Stack, run, timed
from tests.deploy.world import ROOT, World
from tests.needs import KUBECTL

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users, as a kubelet does"),
]

NOTES = """# Walk through pods
## One
- check: grep -q one part.txt

```sh
echo one > part.txt
```
## Two
- check: grep -q two part.txt

```sh
echo two > part.txt
```
## Publish
- after: One, Two
- approval: before
- integration: yes
- check: test "$(wc -l < all.txt)" -eq 2

```sh
cat inputs/*/part.txt > all.txt
```
"""
LOOK = """
import os, pathlib, stat
status = pathlib.Path("/proc/self/status").read_text()
print(os.getuid(), os.getgid(), [line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "NoNewPrivs", "Seccomp:"))])
secrets = pathlib.Path("/run/secrets/taskgrove")
print([oct(stat.S_IMODE(path.stat().st_mode)) for path in sorted(secrets.iterdir()) if path.is_file()])
print([top for top in ("/", "/opt/taskgrove", "/etc", "/run/secrets/taskgrove") if os.access(top, os.W_OK)])
print(os.path.exists("/var/run/secrets/kubernetes.io"))
"""


@pytest.fixture(scope="module")
def pods(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """All started; gone afterwards, whatever happened."""
    request.getfixturevalue("engine")
    if KUBECTL is None:
        pytest.skip("kubectl (1.27 or newer) IS NOT ON PATH: no pod was started")
    directory = tmp_path_factory.mktemp("pods")
    for path in (directory, directory.parent, directory.parent.parent):
        path.chmod(0o755)  # others than root look into it from inside
    images = Stack(directory)
    pods = Pods(World.of("dev"), directory, images.name)
    try:
        images.build()
        with timed("starting the pods"):
            pods.start()
        yield pods
    finally:
        pods.remove()
        images.remove()


def test_every_pod_starts_within_its_probe_and_becomes_ready(pods: Pods) -> None:
    with timed("until all were ready"):
        for pod in pods.world.pods():
            startup = pod.container["startupProbe"]
            pods.wait_for(pod, "startupProbe", seconds=startup["periodSeconds"] * startup["failureThreshold"])
        for pod in pods.world.pods():
            pods.wait_for(pod, "readinessProbe", seconds=90)
            assert pods.answers(pod, pod.container["livenessProbe"])


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_has_no_rights_and_reads_its_secrets(pods: Pods, service: str) -> None:
    said = run(["docker", "exec", pods.name(pods.world.pod(service)), "/opt/taskgrove/bin/python", "-c", LOOK]).splitlines()
    files = 3 if service == "approvals" else 2
    assert said == ["10001 10001 ['0000000000000000', '1', '2']", str(["0o440"] * files), "[]", "False"]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_anothers_is_refused(pods: Pods, service: str) -> None:
    container = pods.name(pods.world.pod(service))
    foreign.look(service, lambda program, asked: run(["docker", "exec", container, "/opt/taskgrove/bin/python", "-c", program, asked]))


def test_a_run_is_finished(pods: Pods, tmp_path: Path) -> None:
    notes, approvals = tmp_path / "notes.md", pods.world.pod("approvals")
    notes.write_text(NOTES)
    secret = pods.world.secret(approvals)
    assert secret is not None
    key = json.loads(base64.b64decode(secret["data"]["taskgrove_approvals_bootstrap_keys"]))[0]["key"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TASKGROVE_")} | {
        "PYTHONPATH": str(ROOT),
        "TASKGROVE_API": f"http://{pods.address(approvals)}:{approvals.port('http')}",
        "TASKGROVE_KEY": key,
        "NO_PROXY": "*",
    }
    command = [
        sys.executable,
        "-m",
        "taskgrove.cli.main",
        "run",
        "--notes",
        str(notes),
        "--approve-as",
        "me",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.read_text() for path in (tmp_path / "out").rglob("all.txt")] == ["one\ntwo\n"]


def test_artifacts_are_on_the_claim_and_nothing_else_is(pods: Pods) -> None:
    kept = [path for path in (pods.directory / "claims/taskgrove-artifacts").rglob("*") if path.is_file()]
    assert kept
    assert all(re.fullmatch(r"[0-9a-f]{64}", path.name) for path in kept)


def test_every_pod_ends_within_its_grace(pods: Pods) -> None:
    """With 0, which a killed one has not. Broker and store go last, as nobody promises."""
    for pod in pods.world.pods():
        code, seconds = pods.end(pod)
        print(f"{pod.name} ended with {code} after {seconds:.1f} s")
        assert code == 0
        assert seconds < pod.spec["terminationGracePeriodSeconds"]

"""What the guide to Kubernetes tells people to type and to ask for can be done, in its order."""

import re

from tests.deploy.world import ROOT
from tests.house.test_observability import known, named

GUIDE = (ROOT / "docs/how-to/kubernetes.md").read_text(encoding="utf-8")
PRODUCTION = GUIDE.partition("\n## In production\n")[2]
ABOUT_SCALING = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.yaml")]


def test_the_namespace_is_there_before_anything_is_put_into_it() -> None:
    lines = PRODUCTION.splitlines()
    made = next(number for number, line in enumerate(lines) if line.startswith("kubectl apply -f deploy/k8s/base/namespace.yaml"))
    assert made < next(number for number, line in enumerate(lines) if line.startswith("kubectl -n taskgrove"))


def test_nobody_is_told_to_scale_on_the_length_of_a_queue() -> None:
    """An executor takes all hints into its backlog: however much waits, its queue is empty."""
    assert [path for path in ABOUT_SCALING if "QueueLength" in path.read_text(encoding="utf-8")] == []


def test_what_an_autoscaler_is_told_to_ask_is_declared() -> None:
    (query,) = re.findall(r"^\s+query: (.+)$", GUIDE, re.MULTILINE)
    assert named(query) == {"taskgrove_attempts_waiting", "taskgrove_attempts_running"}
    assert named(query) <= known()

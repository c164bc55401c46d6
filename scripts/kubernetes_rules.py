"""The alert rules of deploy/prometheus/rules as the Prometheus operator takes them. Kustomize cannot put a file's content into a `spec`."""

# ruff: noqa: INP001 (a script's part, beside it)

from pathlib import Path

import yaml

RULES = "deploy/prometheus/rules"
TARGET = "deploy/k8s/components/monitoring/rules.yaml"


def rule_files(root: Path) -> list[Path]:
    """The files with rules; those named `…_test.yml` are promtool's tests of them."""
    return sorted(path for path in (root / RULES).glob("*.yml") if not path.stem.endswith("_test"))


def prometheus_rule(root: Path) -> str:
    """One PrometheusRule with the groups of every rules file, in the order of their names."""
    groups = [group for path in rule_files(root) for group in yaml.safe_load(path.read_text())["groups"]]
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "taskgrove", "namespace": "taskgrove"},
        "spec": {"groups": groups},
    }
    return f"# Written by `make docs` from {RULES}.\n" + yaml.safe_dump(document, sort_keys=False, width=140, allow_unicode=True)

"""Judges deploy/ as far as that goes without a cluster: renders every overlay, holds it against the schemas of Kubernetes, asks checkov."""

# ruff: noqa: INP001 (a script, run by its path)

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = ROOT / "deploy/k8s/overlays"
EXCEPTIONS = ROOT / "deploy/k8s/exceptions.yaml"
VERSIONS = tuple(f"1.{minor}" for minor in range(29, 38))
OPERATOR = "monitoring.coreos.com/"

Object = dict[str, Any]


@dataclass
class Excused:
    """One entry of the exceptions: a finding that is kept, and why."""

    check: str
    where: list[str]
    resource: str
    reason: str
    used: int = 0

    def covers(self, *, check: str, where: str, resource: str) -> bool:
        """Whether this finding is meant."""
        return self.check == check and where in self.where and re.fullmatch(self.resource, resource) is not None


@dataclass
class Report:
    """What was looked at, and what was found."""

    findings: list[str] = field(default_factory=list)
    objects: Counter[str] = field(default_factory=Counter)
    passed: int = 0


def render(overlay: str) -> list[Object]:
    """The objects that `kubectl apply -k` would send. Raises CalledProcessError, with kubectl's words, when it cannot be built."""
    text = _run("kubectl", "kustomize", str(OVERLAYS / overlay))
    return [document for document in yaml.safe_load_all(text) if document]


def against_schemas(objects: Iterable[Object], versions: Sequence[str] = VERSIONS) -> Iterator[str]:
    """Each object in each version, fields that Kubernetes does not know included."""
    for one in objects:
        if not one["apiVersion"].startswith(OPERATOR):
            for version in versions:
                try:
                    kubernetes_validate.validate(one, version, strict=True)
                except kubernetes_validate.SchemaNotFoundError:
                    yield f"{_name(one)}: Kubernetes {version} has no {one['apiVersion']} {one['kind']}"
                except kubernetes_validate.ValidationError as error:
                    yield f"{_name(one)}: Kubernetes {version}: {'.'.join(str(part) for part in error.path)}: {error.message}"


def against_operator(objects: list[Object]) -> Iterator[str]:
    """What belongs to the Prometheus operator, by its types."""
    theirs = [one for one in objects if one["apiVersion"].startswith(OPERATOR)]
    if theirs:
        yield from _run("node", str(ROOT / "scripts/deploy/node/check.mjs"), given=json.dumps(theirs)).splitlines()


def by_checkov(path: Path, framework: str, tools: Path) -> tuple[int, list[tuple[str, str, str]]]:
    """How many checks passed; and of those that did not, id, name and resource."""
    program = [str(tools / "bin/checkov"), "--file", str(path), "--framework", framework, "--skip-download", "--output", "json"]
    said = json.loads(_run(*program, may_fail=True))
    failed = said["results"]["failed_checks"]
    errors = [("parsing", "cannot be parsed", name) for name in said["results"]["parsing_errors"]]
    return said["summary"]["passed"], [(one["check_id"], one["check_name"], one["resource"]) for one in failed] + errors


def judge(report: Report, tools: Path, excused: list[Excused]) -> None:
    """All overlays, and the Dockerfile."""
    with tempfile.TemporaryDirectory() as directory:
        for overlay in sorted(path.name for path in OVERLAYS.iterdir()):
            objects = render(overlay)
            report.objects[overlay] = len(objects)
            report.findings += [f"{overlay}: {one}" for one in (*against_schemas(objects), *against_operator(objects))]
            rendered = Path(directory, f"{overlay}.yaml")
            rendered.write_text(yaml.safe_dump_all(objects))
            _take(report, overlay, by_checkov(rendered, "kubernetes", tools), excused=excused)
    _take(report, "Dockerfile", by_checkov(ROOT / "Dockerfile", "dockerfile", tools), excused=excused)
    report.findings += [f"{EXCEPTIONS.name}: {one.check} for {one.resource} matches nothing; remove it" for one in excused if not one.used]


def _take(report: Report, where: str, said: tuple[int, list[tuple[str, str, str]]], *, excused: list[Excused]) -> None:
    passed, failed = said
    report.passed += passed
    for check, name, resource in failed:
        if by := next((one for one in excused if one.covers(check=check, where=where, resource=resource)), None):
            by.used += 1
        else:
            report.findings.append(f"{where}: {check} {name}: {resource}")


def _run(*command: str, given: str | None = None, may_fail: bool = False) -> str:
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)  # noqa: S603 (programs named above)
    if done.returncode and not may_fail:
        raise SystemExit(f"check-deploy: {' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


def _name(one: Object) -> str:
    return f"{one['kind']} {one['metadata']['name']}"


def main() -> int:
    """The summary on stdout, findings first. The argument is checkov's environment."""
    tools, report = Path(sys.argv[1]), Report()
    excused = [Excused(**entry) for entry in yaml.safe_load(EXCEPTIONS.read_text())]
    judge(report, tools, excused)
    objects = ", ".join(f"{name} {count}" for name, count in report.objects.items())
    summary = [
        *report.findings,
        f"objects: {objects}",
        f"Kubernetes versions: {VERSIONS[0]} to {VERSIONS[-1]} ({len(VERSIONS)}), unknown fields forbidden",
        f"checkov: {report.passed} checks passed",
        f"findings: {len(report.findings)}; excused: {sum(one.used for one in excused)} by {len(excused)} exceptions with their reasons",
    ]
    sys.stdout.write("\n".join(summary) + "\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())

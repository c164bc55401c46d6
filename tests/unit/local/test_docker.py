"""A container is found again by its data directory, and runs as the user who started it."""

import os
from pathlib import Path

from taskgrove.local.docker import container_name, run_command
from taskgrove.local.parts import Image


def test_one_name_a_directory(tmp_path: Path) -> None:
    assert container_name("mongod", tmp_path) == container_name("mongod", tmp_path / "below" / "..")
    assert container_name("mongod", tmp_path) != container_name("mongod", tmp_path / "other")


def test_arguments_follow_the_image_and_options_precede_it() -> None:
    command = run_command(Image("mongo:7"), "name", options=["--publish", "1:1"], arguments=["mongod"])
    assert command[command.index("mongo:7") + 1 :] == ["mongod"]
    assert command.index("--publish") < command.index("mongo:7")
    assert ("--user" in command) == (os.getuid() != 0)

"""Agents with real tools over a temporary directory, and work to give them."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.executor.agents import Callables, DependencyResult, Tools, Work
from shared.artifacts import ArtifactStore
from shared.sandbox import Limits, Pool, ProcessControl, Sandbox

MakeWork = Callable[..., Work]


@pytest.fixture(scope="session")
async def sandbox() -> Sandbox:
    return await Sandbox.probe()


@pytest.fixture
def tools(sandbox: Sandbox, tmp_path: Path) -> Iterator[Tools]:
    made = Tools(sandbox, ArtifactStore.open(f"memory://{tmp_path}"), Callables(), Pool(1), Limits(seconds=60), model_commands="always")
    yield made
    made.close()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def make_work(tmp_path: Path, lines: list[str]) -> MakeWork:
    async def none() -> Mapping[str, DependencyResult]:
        return {}

    blank = Work(
        task_id="run.1",
        run_id="run",
        attempt_id="run.1:1",
        epoch=1,
        title="Title",
        description="What to do",
        inputs={},
        outputs=(),
        timeout=20,
        env={"TASKGROVE_INPUT_VERSION": "1.4"},
        directory=lambda: Path(os.path.relpath(tmp_path / "attempt")),  # relative, as a setting may be
        say=lines.append,
        dependencies=none,
        children=none,
        control=ProcessControl(),
    )

    def make(**fields: Any) -> Work:
        return replace(blank, **fields)

    return make

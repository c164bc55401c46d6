"""Agents with real tools over a temporary directory, and work to give them."""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.executor.agents import Answer, Callables, DependencyResult, Tools, Work, agents
from shared.artifacts import ArtifactStore
from shared.sandbox import Limits, Pool, ProcessControl, Sandbox
from tests.unit.executor.agents.thinkers import Line, Scripted, thinking

MakeWork = Callable[..., Work]
Do = Callable[..., Awaitable[tuple[Answer, Scripted]]]


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


@pytest.fixture
def do(tools: Tools, make_work: MakeWork) -> Do:
    async def run(
        *lines: Line, caps: Mapping[str, Any] | None = None, registry: CollectorRegistry | None = None, **work: Any
    ) -> tuple[Answer, Scripted]:
        model = Scripted(lines)
        equipped = replace(tools, thinking=thinking(model, registry, **(caps or {})))
        return await agents(equipped)["model"].do(make_work(**work)), model

    return run

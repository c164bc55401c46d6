"""Checks with real tools, and a subject whose files lie in a temporary directory."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.checker.checks import Subject, Tools, checks
from shared.catalogue.checks import parse_check
from shared.contracts.checker import Evidence
from shared.contracts.executor import Result
from shared.sandbox import Pool, Sandbox

Judge = Callable[..., Awaitable[Evidence]]


@pytest.fixture(scope="session")
async def sandbox() -> Sandbox:
    return await Sandbox.probe()


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    pool = Pool(1)
    yield pool
    pool.close()


@pytest.fixture
def tools(sandbox: Sandbox, pool: Pool) -> Tools:
    return Tools(sandbox, pool)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "files"
    (directory / "dist").mkdir(parents=True)
    (directory / "dist" / "a.txt").write_text("first\nVersion 1.4\n")
    (directory / "empty").touch()
    (directory / "data.json").write_text('{"name": "x", "count": 3}')
    return directory


@pytest.fixture
def judge(tools: Tools, files: Path) -> Judge:
    async def do(check: dict[str, Any], result: Result | None = None) -> Evidence:
        async def laid_out() -> Path:
            return files

        subject = Subject(result or Result(summary="14 passed"), "Title", laid_out, {"TASKGROVE_INPUT_NAME": "value"})
        return await checks(tools)[check["kind"]].judge(parse_check(check), subject)

    return do

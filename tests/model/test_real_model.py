"""Real weights plan a prompt, work on it with tools, and the checks prove it."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.grove import Grove

pytestmark = pytest.mark.model

RUN_SECONDS = 1_800.0
PROMPT = "Write a haiku about rivers into haiku.txt."


@pytest.fixture
async def grove(tmp_path: Path, model_settings: dict[str, str]) -> Grove:
    return Grove(tmp_path, model_settings)


async def test_a_prompt_becomes_verified_work(grove: Grove, tmp_path: Path) -> None:
    began = time.monotonic()
    process = await grove.spawn("run", "--prompt", PROMPT, "--approve-as", "tester", "--out", str(tmp_path / "out"), "--json")
    async with asyncio.timeout(RUN_SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode() + out.decode()
    report: dict[str, Any] = json.loads(out)
    usage = report["usage"]
    seconds = time.monotonic() - began
    print(f"\n{PROMPT!r}: {report['tasks']} tasks verified in {report['seconds']:.0f} s; {seconds:.0f} s with start and stop")
    print(f"{usage['promptTokens']} tokens read, {usage['completionTokens']} tokens written, {usage['usd']} USD")
    for path in sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        print(f"--- {path.name}\n{path.read_text(errors='replace')}")
    assert report["counts"] == {"completed": report["tasks"]}
    assert usage["promptTokens"] > 0
    assert usage["completionTokens"] > 0

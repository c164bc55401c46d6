"""A real model: the endpoint that TASKGROVE_MODEL_BASE_URL names, or a local server that is started for these tests."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.grove import ROOT

LOCAL = "../shared/tools/local-model"
START_SECONDS = 600.0
PATIENT = {"TASKGROVE_MODEL_TOOLS": "json", "TASKGROVE_MODEL_TIMEOUT_SECONDS": "900", "TASKGROVE_MODEL_MAX_TOKENS": "1500"}


@pytest.fixture(scope="session")
async def model_settings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """The environment that leads to a real model."""
    given = {name: value for name, value in os.environ.items() if name.startswith("TASKGROVE_MODEL_")}
    if "TASKGROVE_MODEL_BASE_URL" in given:
        yield given
        return
    program = ROOT / os.environ.get("TASKGROVE_LOCAL_MODEL", LOCAL)
    assert program.exists(), f"no {program}; set TASKGROVE_MODEL_BASE_URL and TASKGROVE_MODEL_NAME, or TASKGROVE_LOCAL_MODEL"
    began, port = time.monotonic(), _free_port()
    with (tmp_path_factory.mktemp("model") / "server.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(str(program), "serve", "qwen", str(port), stdout=log, stderr=log)
        try:
            await _until_it_answers(server, f"http://127.0.0.1:{port}/v1/models", log=Path(log.name))
            print(f"\nthe model's server answered after {time.monotonic() - began:.0f} s")
            yield {**PATIENT, "TASKGROVE_MODEL_BASE_URL": f"http://127.0.0.1:{port}/v1", "TASKGROVE_MODEL_NAME": "qwen"}
        finally:
            if server.returncode is None:
                server.terminate()
            await server.wait()


async def _until_it_answers(server: asyncio.subprocess.Process, url: str, *, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            assert server.returncode is None, f"the model's server ended:\n{log.read_text(errors='replace')[-2_000:]}"
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.2)
    raise AssertionError(f"the model's server did not answer within {START_SECONDS:.0f} s; see {log}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

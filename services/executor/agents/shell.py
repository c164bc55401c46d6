"""The agent `shell`: runs a script in the sandbox."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from services.executor.agents.base import Answer, Done, Tools, Work, given
from services.executor.agents.bound import bounded
from services.executor.agents.files import keep, lay_out
from shared.artifacts import on_disk
from shared.catalogue.agents import ShellInputs
from shared.contracts.executor import Result
from shared.errors import AgentFailed, Unavailable
from shared.models.settings import NO_WALLS
from shared.sandbox import Finished

INTERPRETERS = {
    "sh": ["sh", "-eu"],
    "bash": ["bash", "-eu", "-o", "pipefail"],
    "python": [sys.executable, "-u"],
}
SUMMARY = 500
LOOKED_AT = 2**16  # of the output's end, for its last line: a megabyte of empty lines takes a tenth of a second
REPORT = "result.json"
MOST_REPORT = 2**20
TRY_LATER = 75  # EX_TEMPFAIL of sysexits.h
NEVER_RUNS = (126, 127)  # found but not executable, not found: POSIX, shell command language, 2.8.2


class ShellAgent:
    """The script lies beside the directory that it works in, so that it is not kept among what the task leaves."""

    name = "shell"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def do(self, work: Work) -> Answer:
        """Lay out the inputs, run the script, keep the files it leaves. AgentFailed for any exit status but 0, or not run."""
        inputs = given(work.inputs, as_=ShellInputs)
        if work.by_model and not self._tools.may_obey_models:
            raise AgentFailed(NO_WALLS, code="no_walls", permanent=True)
        async with bounded(work, spare=self._tools.spare):
            return await self._done(work, inputs)

    async def _done(self, work: Work, inputs: ShellInputs) -> Done:
        script, directory = await asyncio.to_thread(_prepare, work.directory(), inputs.script)
        await lay_out(await work.dependencies(), directory / "inputs", store=self._tools.artifacts)
        finished = await self._run([*INTERPRETERS[inputs.interpreter], str(script)], work, directory)
        _raise_unless_ok(finished, work.timeout)
        report = await asyncio.to_thread(_report, directory, work)
        kept = await keep(directory, work.outputs, store=self._tools.artifacts)
        facts = {"exitCode": finished.exit_code, "seconds": finished.seconds, "sandbox": finished.level}
        return Done(Result(summary=_last_line(finished.output), data={**report, **facts}, artifacts=kept))

    async def _run(self, argv: list[str], work: Work, directory: Path) -> Finished:
        try:
            return await self._tools.sandbox.run(
                argv,
                directory=directory,
                env={**work.env, "TASKGROVE_INPUTS": str(directory / "inputs")},
                limits=replace(self._tools.limits, seconds=work.timeout),
                on_line=work.say,
                readable=[Path(argv[-1])],
                shown=[Path(value) for value in work.env.values() if value.startswith("/")],
                control=work.control,
            )
        except Unavailable as error:
            raise AgentFailed(str(error), code="sandbox_failed") from error


def _prepare(own: Path, script: str) -> tuple[Path, Path]:
    own = own.resolve()  # the script is run from another directory
    directory, path = own / "work", own / "script"
    with on_disk(own):
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(script, encoding="utf-8")
    return path, directory


def _raise_unless_ok(finished: Finished, seconds: float) -> None:
    if finished.ok:
        return
    end = f"; the last lines:\n{finished.last_lines()}" if finished.output.strip() else ", without any output"
    if finished.timed_out:
        raise AgentFailed(f"stopped after {seconds:g} s: give the task more time with `timeout:`{end}", code="timed_out")
    code = "try_later" if finished.exit_code == TRY_LATER else "exit_status"
    raise AgentFailed(f"{finished.how()}{end}", code=code, permanent=finished.exit_code in NEVER_RUNS)


def _last_line(output: str) -> str:
    lines = output.rstrip()[-LOOKED_AT:].splitlines()
    return lines[-1].strip()[:SUMMARY] if lines else ""


def _report(directory: Path, work: Work) -> Mapping[str, Any]:
    """The object in the file `result.json`, if the script left one: data for the tasks that depend on this."""
    path = directory / REPORT
    if path.is_symlink() or not path.is_file():
        return {}
    size = path.stat().st_size
    try:
        value = orjson.loads(path.read_bytes()) if size <= MOST_REPORT else None
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        return value
    work.say(f"{REPORT} is not a JSON object of at most {MOST_REPORT} bytes: kept as a file only")
    return {}

"""The agent `shell`, on real scripts."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from services.executor.agents import DependencyResult, Done, Tools, Work, agents
from services.executor.agents.shell import ShellAgent
from shared.contracts.executor import Result
from shared.contracts.phases import Phase
from shared.errors import AgentFailed
from shared.models.settings import Commands
from shared.sandbox import Level, Sandbox

MakeWork = Callable[..., Work]


async def run(tools: Tools, work: Work) -> Result:
    answer = await agents(tools)["shell"].do(work)
    assert isinstance(answer, Done)
    return answer.result


async def test_the_last_line_sums_up_and_files_are_kept(tools: Tools, make_work: MakeWork, *, lines: list[str], tmp_path: Path) -> None:
    script = "echo building\nmkdir dist; echo $TASKGROVE_INPUT_VERSION > dist/version\necho done; echo"
    result = await run(tools, make_work(inputs={"script": script}))
    assert result.summary == "done"
    assert lines == ["building", "done", ""]
    assert [artifact.name for artifact in result.artifacts] == ["dist/version"]
    assert await tools.artifacts.read(result.artifacts[0], most=100) == b"1.4\n"
    assert result.data["exitCode"] == 0
    assert result.data["sandbox"] == tools.sandbox.level
    assert sorted(path.name for path in (tmp_path / "attempt").iterdir()) == ["script", "work"]


async def test_only_what_outputs_names_is_kept(tools: Tools, make_work: MakeWork) -> None:
    result = await run(tools, make_work(inputs={"script": "touch a.txt b.log"}, outputs=("*.txt",)))
    assert [artifact.name for artifact in result.artifacts] == ["a.txt"]


@pytest.mark.parametrize(
    ("interpreter", "script"),
    [("sh", "false; echo on"), ("bash", "false | true; echo on"), ("sh", "echo $UNSET"), ("python", "print('x'); raise SystemExit(1)")],
)
async def test_the_first_failure_ends_the_script(tools: Tools, make_work: MakeWork, *, interpreter: str, script: str) -> None:
    with pytest.raises(AgentFailed, match="exit status"):
        await run(tools, make_work(inputs={"script": script, "interpreter": interpreter}))


async def test_python_scripts_run_in_this_python(tools: Tools, make_work: MakeWork) -> None:
    result = await run(tools, make_work(inputs={"script": "import pydantic; print('found')", "interpreter": "python"}))
    assert result.summary == "found"


@pytest.mark.parametrize(
    ("script", "code", "permanent"),
    [
        ("echo why; exit 3", "exit_status", False),
        ("exit 75", "try_later", False),
        ("no-such-program", "exit_status", True),
        ("kill -9 $$", "exit_status", False),
    ],
)
async def test_how_it_failed(tools: Tools, make_work: MakeWork, *, script: str, code: str, permanent: bool) -> None:
    with pytest.raises(AgentFailed) as failed:
        await run(tools, make_work(inputs={"script": script}))
    assert (failed.value.code, failed.value.permanent) == (code, permanent)
    if "why" in script:
        assert str(failed.value) == "exit status 3; the last lines:\nwhy"


async def test_the_time_out_names_the_way_out(tools: Tools, make_work: MakeWork) -> None:
    with pytest.raises(AgentFailed, match="`timeout:`") as failed:
        await run(tools, make_work(inputs={"script": "sleep 60"}, timeout=0.3))
    assert failed.value.code == "timed_out"


async def test_what_lies_around_the_script_does_not_hang_for_ever(tools: Tools, make_work: MakeWork) -> None:
    async def never() -> Mapping[str, DependencyResult]:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(AgentFailed, match=r"not over after 0\.6 s.*`timeout:`") as failed:
        await run(replace(tools, spare=0.1), make_work(inputs={"script": "true"}, dependencies=never, timeout=0.3))
    assert failed.value.code == "timed_out"


async def test_what_it_depends_on_is_laid_out(tools: Tools, make_work: MakeWork) -> None:
    file = await tools.artifacts.put_bytes(b"#!/bin/sh\necho ran", name="bin/tool")

    async def dependencies() -> Mapping[str, DependencyResult]:
        done = Result(summary="built", data={"n": 1}, artifacts=(file,))
        return {
            "build": DependencyResult("Build", Phase.COMPLETED, result=done),
            "../../x y": DependencyResult("Odd", Phase.FAILED, error="it broke"),
            "-x-y": DependencyResult("Same name", Phase.SKIPPED),
        }

    script = 'inputs/build/bin/tool; ls "$TASKGROVE_INPUTS"; cat inputs/build.json inputs/-..-x-y.json'
    result = await run(tools, make_work(inputs={"script": script}, dependencies=dependencies))
    assert result.artifacts == (), "inputs are not outputs"
    assert result.summary == "}"


async def test_keys_that_are_too_long_for_a_file_are_cut_and_told_apart(tools: Tools, make_work: MakeWork) -> None:
    file = await tools.artifacts.put_bytes(b"x", name="left")
    long = "資" * 119

    async def dependencies() -> Mapping[str, DependencyResult]:
        done = Result(artifacts=(file,))
        return {f"{long}{end}": DependencyResult("A", Phase.COMPLETED, result=done) for end in "あい"}

    script = 'cd "$TASKGROVE_INPUTS"; ls; test $(ls *.json | wc -l) = 2; for f in *.json; do ls ${f%.json}/left; done'
    assert (await run(tools, make_work(inputs={"script": script}, dependencies=dependencies))).summary.startswith("資資")


async def test_what_no_disk_can_hold_is_a_fault_of_the_work(tools: Tools, make_work: MakeWork) -> None:
    file = await tools.artifacts.put_bytes(b"x", name="x" * 256)

    async def dependencies() -> Mapping[str, DependencyResult]:
        return {"a": DependencyResult("A", Phase.COMPLETED, result=Result(artifacts=(file,)))}

    with pytest.raises(AgentFailed, match=r"cannot be laid out: .*File name too long.*another name"):
        await run(tools, make_work(inputs={"script": "true"}, dependencies=dependencies))


async def test_the_reports_say_how_the_others_ended(tools: Tools, make_work: MakeWork, tmp_path: Path) -> None:
    async def dependencies() -> Mapping[str, DependencyResult]:
        return {"a": DependencyResult("A", Phase.FAILED, error="it broke"), "b": DependencyResult("B", Phase.COMPLETED, result=Result())}

    await run(tools, make_work(inputs={"script": "true"}, dependencies=dependencies))
    report = json.loads((tmp_path / "attempt/work/inputs/a.json").read_text())
    assert report == {
        "title": "A",
        "phase": "failed",
        "summary": None,
        "data": None,
        "artifacts": [],
        "error": "it broke",
        "inherited": False,
    }


async def test_a_path_given_as_input_is_seen_in_spite_of_an_own_tmp(tools: Tools, make_work: MakeWork, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from outside")
    work = make_work(inputs={"script": 'cat "$TASKGROVE_INPUT_SOURCE"'}, env={"TASKGROVE_INPUT_SOURCE": str(tmp_path / "given")})
    assert (await run(tools, work)).summary == "from outside"


async def test_missing_inputs_fail_the_task_in_words(tools: Tools, make_work: MakeWork) -> None:
    file = (await tools.artifacts.put_bytes(b"x", name="x")).model_copy(update={"sha256": "0" * 64})

    async def dependencies() -> Mapping[str, DependencyResult]:
        return {"a": DependencyResult("A", Phase.COMPLETED, result=Result(artifacts=(file,)))}

    with pytest.raises(AgentFailed, match="cannot be laid out: artifact 0000"):
        await run(tools, make_work(inputs={"script": "true"}, dependencies=dependencies))


async def test_result_json_becomes_data_but_cannot_forge_the_facts(tools: Tools, make_work: MakeWork, lines: list[str]) -> None:
    result = await run(tools, make_work(inputs={"script": """echo '{"n": 1, "sandbox": "none"}' > result.json"""}))
    assert result.data["n"] == 1
    assert result.data["sandbox"] == tools.sandbox.level
    for other in ("echo '[1]' > result.json", "echo '{' > result.json", "ln -sf /etc/hostname result.json"):
        assert set((await run(tools, make_work(inputs={"script": other}))).data) == {"exitCode", "seconds", "sandbox"}
    assert "not a JSON object" in lines[0]


async def test_too_many_files_fail_with_the_way_out(tools: Tools, make_work: MakeWork) -> None:
    with pytest.raises(AgentFailed, match="`outputs:`") as failed:
        await run(tools, make_work(inputs={"script": "for i in $(seq 501); do echo $i > f$i; done"}))
    assert failed.value.permanent


async def test_wrong_inputs_name_the_field(tools: Tools, make_work: MakeWork) -> None:
    with pytest.raises(AgentFailed, match="scrip: Extra inputs") as failed:
        await ShellAgent(tools).do(make_work(inputs={"script": "true", "scrip": "x"}))
    assert failed.value.permanent


async def test_without_walls_a_script_of_a_model_is_not_run(tools: Tools, make_work: MakeWork, tmp_path: Path) -> None:
    bare = replace(tools, sandbox=Sandbox("process"), model_commands="walls")
    script = {"script": f"touch {tmp_path}/ran"}
    with pytest.raises(AgentFailed, match=r"Install bubblewrap.*TASKGROVE_MODEL_COMMANDS=always") as refused:
        await run(bare, make_work(inputs=script, by_model=True))
    assert (refused.value.code, refused.value.permanent) == ("no_walls", True)
    assert not (tmp_path / "ran").exists()
    await run(bare, make_work(inputs=script))
    assert (tmp_path / "ran").exists(), "a script of a person runs"


@pytest.mark.parametrize(("level", "commands"), [("process", "always"), ("bubblewrap", "walls")])
def test_models_are_obeyed_behind_walls_or_where_a_setting_says_so(tools: Tools, level: Level, commands: Commands) -> None:
    assert replace(tools, sandbox=Sandbox(level), model_commands=commands).may_obey_models

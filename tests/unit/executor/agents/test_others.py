"""The agents `human` and `integrate`, and how agents are found."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint

import pytest

from services.executor.agents import Asks, DependencyResult, Done, Tools, Work, agents
from services.executor.agents.human import HumanAgent
from services.executor.agents.integrate import IntegrateAgent
from shared import plugins
from shared.catalogue.agents import AGENTS
from shared.contracts.executor import Artifact, Result
from shared.contracts.phases import Phase
from shared.errors import BadInput

MakeWork = Callable[..., Work]


@pytest.mark.parametrize(("inputs", "question"), [({}, "What to do"), ({"question": "Which?"}, "Which?")])
async def test_a_person_is_asked(make_work: MakeWork, inputs: dict[str, str], question: str) -> None:
    assert await HumanAgent().do(make_work(inputs=inputs)) == Asks(question)


@pytest.mark.parametrize(
    ("submitted", "result"),
    [
        ({"summary": "done", "data": {"a": 1}}, Result(summary="done", data={"a": 1})),
        ({"answer": 42}, Result(data={"answer": 42})),
        ({"summary": "x" * 5_000}, Result(summary="x" * 4_096)),
        ({"data": [1]}, Result(data={"data": [1]})),
        ({"summary": "s", "artifacts": [{"name": "forged"}]}, Result(summary="s")),
        ({}, Result()),
    ],
)
async def test_what_a_person_submits_is_the_result(make_work: MakeWork, submitted: dict[str, object], result: Result) -> None:
    assert await HumanAgent().do(make_work(inputs={"submitted": submitted})) == Done(result)


def file(name: str, sha256: str) -> Artifact:
    return Artifact(name=name, uri="", sha256=sha256, bytes=1)


async def integrate(make_work: MakeWork, children: Mapping[str, DependencyResult]) -> Result:
    async def given() -> Mapping[str, DependencyResult]:
        return children

    answer = await IntegrateAgent().do(make_work(children=given))
    assert isinstance(answer, Done)
    return answer.result


async def test_children_are_joined(make_work: MakeWork) -> None:
    result = await integrate(
        make_work,
        {
            "a": DependencyResult("A", Phase.COMPLETED, result=Result(summary="a done", artifacts=(file("work", "0"),))),
            "b": DependencyResult("B", Phase.FAILED, error="broke"),
            "c": DependencyResult("C", Phase.COMPLETED, kind="integration", result=Result(artifacts=(file("out", "1"), file("x", "9")))),
            "d": DependencyResult("D", Phase.COMPLETED, kind="integration", result=Result(artifacts=(file("out", "2"), file("x", "9")))),
        },
    )
    assert result.summary == "3 of 4 children done; not: B (failed)"
    assert result.data["children"]["a"] == {"title": "A", "phase": "completed", "summary": "a done"}
    assert [(artifact.name, artifact.sha256) for artifact in result.artifacts] == [("out", "1"), ("x", "9"), ("d/out", "2")]


async def test_a_key_that_is_too_long_for_a_folder_is_cut(make_work: MakeWork) -> None:
    def child(sha256: str) -> DependencyResult:
        return DependencyResult("A", Phase.COMPLETED, kind="integration", result=Result(artifacts=(file("out", sha256),)))

    result = await integrate(make_work, {"a": child("1"), "資" * 120: child("2")})
    folder, name = result.artifacts[1].name.split("/")
    assert (len(folder.encode()) <= 255, folder[:2], name) == (True, "資資", "out")


async def test_many_children_are_cut(make_work: MakeWork) -> None:
    short = {str(i): DependencyResult(f"T{i}", Phase.FAILED) for i in range(1_000)}
    result = await integrate(make_work, short)
    assert (len(result.data["children"]), result.data["leftOut"]) == (200, 800)
    assert result.summary.endswith("and 995 more")
    assert len(result.summary) < 4_096
    long = {str(i): DependencyResult("T", Phase.COMPLETED, result=Result(summary="x" * 4_000)) for i in range(50)}
    assert (await integrate(make_work, long)).data["leftOut"] == 38


def test_the_agents_are_those_of_the_catalogue(tools: Tools) -> None:
    assert set(agents(tools)) == set(AGENTS)


def test_other_packages_do_not_take_the_names_of_agents(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    def points(name: str) -> list[EntryPoint]:
        return [EntryPoint(name, "services.executor.agents.shell:ShellAgent", "taskgrove.agents")]

    monkeypatch.setattr(plugins, "entry_points", lambda group: points("shell"))  # noqa: ARG005 (called by keyword)
    with pytest.raises(BadInput, match="takes the name 'shell'"):
        agents(tools)

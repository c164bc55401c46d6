"""The context pack: what the model is told of its task, each text fenced as data, all of them within a budget of bytes."""

import asyncio
import json
from collections.abc import Iterable, Mapping

from services.executor.agents.base import Around, DependencyResult, Work
from services.executor.agents.files import names_of
from services.executor.agents.model.workspace import INPUTS, Workspace
from shared.contracts.executor import Artifact
from shared.errors import BadInput
from shared.models.fence import fenced, shortened

FIRST_LINES = 20
FIRST_BYTES = 1_024
SMALL = 16_384
MOST_SHOWN = 5
MOST_NAMED = 20
LINE = 300


class Room:
    """What is left of the budget; who comes first gets most."""

    def __init__(self, most: int) -> None:
        self.left = most

    def fit(self, name: str, text: str, *, share: float) -> str:
        """The text, fenced, cut to its share of what is left; empty for an empty text, or where nothing is left."""
        if not text or self.left <= 0:
            return ""
        cut = shortened(text, int(self.left * share))
        self.left -= len(cut.encode(errors="replace"))
        return fenced(name, cut)


async def context(
    work: Work, around: Around, dependencies: Mapping[str, DependencyResult], *, instructions: str, workspace: Workspace, most: int,
    may_run: bool,
) -> dict[str, str]:  # fmt: skip
    """The parts of the prompt by name; deterministic, so that the ledger knows the question again after a crash."""
    room = Room(most)
    results = await asyncio.to_thread(_results, dependencies, workspace, most)
    return {
        "task": room.fit("task", _task(work, instructions, may_run=may_run), share=0.6),
        "answers": room.fit("answers", _pairs(around.answers), share=0.4),
        "failure": room.fit("failure", around.failure, share=0.4),
        "checks": room.fit("checks", "\n".join(json.dumps(dict(check), ensure_ascii=False) for check in around.checks), share=0.3),
        "goals": room.fit("goals", _pairs(around.goals), share=0.4),
        "results": room.fit("results", "\n\n".join(results), share=0.6),
        "notes": room.fit("notes", _pairs(around.notes), share=1.0),
    }


def _task(work: Work, instructions: str, *, may_run: bool) -> str:
    inputs = [f"{name}={value}" for name, value in sorted(work.submitted.items())]
    given = "Environment of your commands:" if may_run else "Given with it:"
    told = [work.title, instructions or work.description, *([given, *inputs] if inputs else [])]
    return "\n\n".join(dict.fromkeys(part for part in told if part.strip()))


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n\n".join(f"## {' '.join(name.split())}\n{text}".rstrip() for name, text in pairs)


def _results(dependencies: Mapping[str, DependencyResult], workspace: Workspace, most: int) -> list[str]:
    """Each dependency by its summary and its files; of small text files the first lines. The nearest come first."""
    found: list[str] = []
    room = most
    named = sorted(zip(names_of(dependencies), dependencies.values(), strict=True), key=lambda one: one[1].inherited)
    for name, dependency in named:
        text = _result(name, dependency, workspace)
        room -= len(text.encode(errors="replace"))
        if room < 0:
            found.append(f"and {len(named) - len(found)} more: see {INPUTS}/*.json")
            break
        found.append(text)
    return found


def _result(name: str, dependency: DependencyResult, workspace: Workspace) -> str:
    lines = [f"## {' '.join(dependency.title.split())} ({dependency.phase.value}), files in {INPUTS}/{name}/"]
    result = dependency.result
    if dependency.error:
        lines.append(f"error: {shortened(dependency.error, LINE)}")
    if result is None:
        return "\n".join(lines)
    if result.summary:
        lines.append(f"summary: {shortened(result.summary, 2 * LINE)}")
    if result.data:
        lines.append(f"data: {shortened(json.dumps(result.data, sort_keys=True, ensure_ascii=False), 2 * LINE)}")
    lines += [f"- {artifact.name}, {artifact.bytes} bytes" for artifact in result.artifacts[:MOST_NAMED]]
    if left := len(result.artifacts) - MOST_NAMED:
        lines += [f"- and {left} more"] if left > 0 else []
    if not dependency.inherited:
        lines += [text for artifact in result.artifacts[:MOST_SHOWN] if (text := _beginning(name, artifact, workspace))]
    return "\n".join(lines)


def _beginning(name: str, artifact: Artifact, workspace: Workspace) -> str:
    """The first lines of a small text file; empty for any other."""
    if artifact.bytes > SMALL:
        return ""
    try:
        content, _ = workspace.read(f"{INPUTS}/{name}/{artifact.name}", offset=0, most=FIRST_BYTES)
        text = content.decode(errors="strict" if len(content) < FIRST_BYTES else "ignore")
    except (BadInput, UnicodeDecodeError):
        return ""
    lines = text.splitlines()[:FIRST_LINES]
    return "\n".join([f"{artifact.name} begins:", *(f"| {line[:LINE]}" for line in lines)]) if lines and "\0" not in text else ""

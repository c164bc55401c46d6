"""The files around an attempt: what others left is laid out for it, what it leaves is kept."""

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from services.executor.agents.base import DependencyResult
from shared.artifacts import ArtifactStore, collect, on_disk
from shared.contracts.executor import Artifact
from shared.errors import AgentFailed, BadInput, TaskgroveError, Unavailable

UNSAFE = re.compile(r"[^\w.-]+")
LONGEST = 200
"""Bytes; file systems take 255, which a key of 120 letters can exceed where each takes three."""


async def lay_out(dependencies: Mapping[str, DependencyResult], directory: Path, *, store: ArtifactStore) -> None:
    """`<key>/` with the files of each dependency, and `<key>.json` with title, phase, summary, data, error, and whether it is inherited."""
    named = list(zip(names_of(dependencies), dependencies.values(), strict=True))
    try:
        await asyncio.to_thread(_write, {name: _report(dependency) for name, dependency in named}, directory)
        for name, dependency in named:
            if dependency.result and dependency.result.artifacts:
                await store.lay_out(dependency.result.artifacts, directory / name)
    except Unavailable:
        raise
    except TaskgroveError as error:
        raise AgentFailed(f"the inputs of the task cannot be laid out: {error}", code="bad_inputs") from error


async def keep(directory: Path, outputs: Sequence[str], *, store: ArtifactStore) -> tuple[Artifact, ...]:
    """The files that were left, as artifacts. What cannot be kept is a failure of the task that left it."""
    try:
        return await collect(directory, patterns=outputs, store=store)
    except BadInput as error:
        raise AgentFailed(str(error), code="bad_outputs", permanent=True) from error


def names_of(keys: Iterable[str]) -> list[str]:
    """Keys as names of files, each once: under these the files of dependencies are laid out."""
    names: dict[str, None] = {}
    for key in keys:
        name = fitting(UNSAFE.sub("-", key).lstrip(".") or "task")
        while name in names:
            name += "-"
        names[name] = None
    return list(names)


def fitting(name: str) -> str:
    """As long as a name of a file may be, also with a suffix. What is cut off is told apart by its hash."""
    encoded = name.encode()
    if len(encoded) <= LONGEST:
        return name
    return f"{encoded[:LONGEST].decode(errors='ignore')}-{hashlib.sha256(encoded).hexdigest()[:8]}"


def _report(dependency: DependencyResult) -> dict[str, Any]:
    result = dependency.result
    return {
        "title": dependency.title,
        "phase": dependency.phase.value,
        "summary": result.summary if result else None,
        "data": result.data if result else None,
        "artifacts": [artifact.name for artifact in result.artifacts] if result else [],
        "error": dependency.error,
        "inherited": dependency.inherited,
    }


def _write(reports: Mapping[str, dict[str, Any]], directory: Path) -> None:
    with on_disk(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name, report in reports.items():
            (directory / f"{name}.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))

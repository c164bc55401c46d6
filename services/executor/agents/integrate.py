"""The agent `integrate`: joins the results of a parent's children into one."""

from collections.abc import Mapping
from typing import Any

import orjson

from services.executor.agents.base import MOST_CHILDREN, Answer, DependencyResult, Done, Work
from services.executor.agents.files import fitting
from shared.contracts.executor import Artifact, Result
from shared.contracts.phases import Phase

MOST_BYTES = 48 * 1024
MOST_NAMED = 5


class IntegrateAgent:
    """Says what became of the children; passes on the files of those that integrate."""

    name = "integrate"

    async def do(self, work: Work) -> Answer:
        """Join what is there; nothing is run."""
        children = await work.children()
        return Done(Result(summary=_summary(children), data=_data(children), artifacts=_artifacts(children)))


def _summary(children: Mapping[str, DependencyResult]) -> str:
    done = sum(child.phase is Phase.COMPLETED for child in children.values())
    others = [f"{child.title} ({child.phase})" for child in children.values() if child.phase is not Phase.COMPLETED]
    named = "; ".join(others[:MOST_NAMED]) + (f"; and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else "")
    return f"{done} of {len(children)} children done" + (f"; not: {named}" if named else "")


def _data(children: Mapping[str, DependencyResult]) -> dict[str, Any]:
    """Title, phase and summary of each child, as many as a result may hold."""
    kept: dict[str, Any] = {}
    room = MOST_BYTES
    for key, child in children.items():
        entry = {"title": child.title, "phase": child.phase.value, "summary": child.result.summary if child.result else ""}
        room -= len(orjson.dumps({key: entry}))
        if room < 0 or len(kept) == MOST_CHILDREN:
            break
        kept[key] = entry
    left_out = len(children) - len(kept)
    return {"children": kept, "leftOut": left_out} if left_out else {"children": kept}


def _artifacts(children: Mapping[str, DependencyResult]) -> tuple[Artifact, ...]:
    """The files of the integration children; where two have one name, the second goes under its child's key."""
    files: dict[str, Artifact] = {}
    for key, child in children.items():
        for artifact in child.result.artifacts if child.result and child.kind == "integration" else ():
            name = artifact.name if files.get(artifact.name, artifact).sha256 == artifact.sha256 else f"{fitting(key)}/{artifact.name}"
            files[name] = artifact.model_copy(update={"name": name})
    return tuple(files.values())

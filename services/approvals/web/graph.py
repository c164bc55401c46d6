"""The dependency graph of one group as JSON: drawn by the browser, up to a size at which a drawing still says something."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.approvals.api.access import LOOK, DepsHere
from services.approvals.api.answers import answer
from services.approvals.domain.views import dependencies_in
from services.approvals.web import words
from services.approvals.web.tree import id_of, place_of
from shared.contracts.phases import Phase
from shared.errors import NotFound
from shared.storage.port import Doc

router = APIRouter(include_in_schema=False, dependencies=[LOOK])

MOST_NODES = 300
MOST_EDGES = 3_000

Place = Annotated[str, Query(max_length=200)]


@router.get("/ui/runs/{run_id}/graph")
async def graph(run_id: str, deps: DepsHere, *, task: Place = "") -> Response:
    """The children of this group and what they wait for. Of a task without children: those of its parent. Too many: only how many."""
    parent = await _group(deps, id_of(run_id, task))
    about = {"place": place_of(parent["_id"]), "title": parent["title"], "most": MOST_NODES}
    total = len(await deps.looking.child_ids(parent))
    if total > MOST_NODES:
        return answer({**about, "total": total, "nodes": None, "edges": None})
    children = await deps.looking.graph(parent)
    phases = await deps.looking.phases(children)
    found = await deps.reads.sequence(parent["_id"])
    critical = set(found[0].get("critical_path", ())) if found else set()
    return answer({**about, "total": total, **graph_of(children, phases, critical=critical)})


async def _group(deps: DepsHere, task_id: str) -> Doc:
    found = await deps.reads.task(task_id)
    if found and not found.get("children") and found.get("parent_id"):
        found = await deps.reads.task(str(found["parent_id"]))
    if found is None:
        raise NotFound(f"there is no task {task_id!r}; it is not planned yet, or it never was")
    return found


def graph_of(children: Sequence[Doc], phases: Mapping[str, Phase], *, critical: set[str]) -> dict[str, Any]:
    """Nodes and edges; pure. An edge is critical when both its ends are, one right after the other."""
    ours = {child["_id"] for child in children}
    nodes = [_node(child, phases[child["_id"]], critical=child["_id"] in critical) for child in children]
    edges = sorted({edge for child in children for edge in dependencies_in(child) if ours.issuperset(edge)})
    return {
        "nodes": nodes,
        "edges": [
            {"source": place_of(before), "target": place_of(after), "critical": {before, after} <= critical}
            for before, after in edges[:MOST_EDGES]
        ],
        "moreEdges": max(0, len(edges) - MOST_EDGES),
    }


def _node(child: Doc, phase: Phase, *, critical: bool) -> dict[str, Any]:
    return {
        "place": place_of(child["_id"]), "title": child["title"], "phase": str(phase), "words": words.phase_words(phase),
        "mark": words.mark(phase), "tone": words.tone(phase), "kind": child.get("kind", "work"), "critical": critical,
        "opens": bool(child.get("children")),
    }  # fmt: skip

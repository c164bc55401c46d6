"""What a model is told: the rules of the house as text, and all that people or other tasks wrote as fenced data."""

import json
from typing import Any

from services.planner.planners.base import Means, PlanRequest, Scope
from services.planner.planners.model.convert import Terms
from services.planner.planners.model.language import MOST_SUBTASKS, MOST_TASKS, Vocabulary
from services.planner.planners.model.notes import Demand, ReadNotes, read_notes
from shared.catalogue.agents import AGENTS
from shared.errors import BadInput, LimitExceeded
from shared.models.fence import fenced, shortened

NOTHING = "there is nothing to plan: give a prompt that says what is wanted (--prompt), or notes, or both"
MOST_GOAL = 1_000
MOST_WHY = 4_000


def brief_of(request: PlanRequest, means: Means) -> tuple[Terms, dict[str, Any]]:
    """What the answer will be held against, and the values of the templates. Raises NotesError, BadInput or LimitExceeded."""
    if not request.prompt.strip() and not request.notes and request.scope is None:
        raise BadInput(NOTHING)
    _refuse_too_long(request, means)
    notes = read_notes(request.notes)
    options, scope = request.options, request.scope
    demands = notes.demands if scope is None else ()
    vocabulary = Vocabulary(
        agents=[name for name in means.agents if name in AGENTS],
        sections=[section.mark for section in notes.sections],
        approvals=[demand.mark for demand in demands],
        most_tasks=min(MOST_SUBTASKS if scope else MOST_TASKS, options.max_tasks, options.max_width),
    )
    values = {
        "agents": {name: AGENTS[name].summary for name in vocabulary.agents},
        "checks": vocabulary.checks,
        "most_tasks": vocabulary.most_tasks,
        "has_sections": bool(notes.sections),
        "prompt": fenced("request", request.prompt.strip()) if request.prompt.strip() else "",
        "notes": [fenced(f"notes: {one.name}", one.text) for one in notes.files],
        "approvals": fenced("approvals", "\n".join(_asked_for(demand) for demand in demands)) if demands else "",
        "refused": fenced("what was wrong", shortened(request.refused, MOST_WHY)) if request.refused else "",
        "scope": _scope(scope) if scope else None,
    }
    return Terms(request, ReadNotes(notes.files, notes.sections, demands), vocabulary), values


def _refuse_too_long(request: PlanRequest, means: Means) -> None:
    size = len(request.prompt.encode(errors="replace")) + sum(len(one.text.encode(errors="replace")) for one in request.notes)
    if size > means.context_bytes:
        raise LimitExceeded(
            f"prompt and notes have {size} bytes, and a model gets at most {means.context_bytes}; give less, "
            "or raise TASKGROVE_PLANNER_MODEL_CONTEXT_BYTES where the model reads more"
        )


def _asked_for(demand: Demand) -> str:
    return f"{demand.mark}: at {demand.section.mark}, {json.dumps(demand.section.title, ensure_ascii=False)}: {demand.written}"


def _scope(scope: Scope) -> dict[str, Any]:
    goals = [f"{title}: {shortened(' '.join(text.split()), MOST_GOAL)}" for title, text in scope.goals]
    return {
        "task": fenced("task", f"{scope.title}\n\n{shortened(scope.description, 4 * MOST_GOAL)}"),
        "why": fenced("why", shortened(scope.why, MOST_WHY)),
        "goals": fenced("goals", "\n".join(goals)) if goals else "",
        "checks": fenced("checks of the task", shortened(json.dumps(scope.checks, ensure_ascii=False), MOST_WHY)) if scope.checks else "",
        "needs": fenced("inputs", "\n".join(f"{key}: {title}" for key, title in scope.needs)) if scope.needs else "",
    }

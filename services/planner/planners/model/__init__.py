"""The planner with a model: a prompt and notes become a plan by structured output, looked over as any other plan is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from services.planner.planners.base import Means, PlanRequest
from services.planner.planners.model.brief import brief_of
from services.planner.planners.model.convert import Misunderstood, Terms, plan_from
from services.planner.planners.model.language import answer_schema
from services.planner.planners.outline.frontmatter import of_the_run
from services.planner.planners.outline.problems import Problems
from shared.contracts.plan import NotesFile, Plan
from shared.errors import BadInput, ModelFailed
from shared.ids import run_of
from shared.models.answer import Unusable
from shared.models.fence import fenced, shortened
from shared.models.port import About, Question, Turn
from shared.models.prompts import Prompts
from shared.models.settings import NO_MODEL

PROMPTS = Path(__file__).parents[2] / "prompts"
RULES, REQUEST, REPAIR = "plan.system.md.j2", "plan.request.md.j2", "plan.repair.md.j2"
MOST_TOKENS = 16_384
MOST_ECHO = 24_000
MOST_NAMED = 20
LONGEST_PROBLEM = 400

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Errand:
    """One plan that is being asked for."""

    means: Means
    terms: Terms
    schema: dict[str, Any]


class ModelPlanner:
    """Asks, says once what was wrong, and then gives up with the reasons."""

    name = "model"

    async def plan(self, request: PlanRequest) -> Plan:
        """The plan. Raises NotesError, BadInput, LimitExceeded or ModelFailed; what the model did not manage is permanent."""
        if request.means is None:
            raise BadInput(f"the planner `model` asks a language model, and {NO_MODEL}")
        terms, values = brief_of(request, request.means)
        of_run = {} if request.scope else _said_of_the_run(request.notes)
        errand = Errand(request.means, terms, answer_schema(terms.vocabulary))
        prompts = Prompts(PROMPTS)
        turns: tuple[Turn, ...] = (Turn("system", prompts.render(RULES, **values)), Turn("user", prompts.render(REQUEST, **values)))
        problems: tuple[str, ...] = ()
        for purpose in ("plan", "plan-repair"):
            try:
                plan = await self._asked(errand, turns, purpose=purpose)
            except Misunderstood as error:
                log.warning("plan.misunderstood", task_id=request.task_id, purpose=purpose, problems=_named(error.problems))
                problems = error.problems
                wrong = fenced("problems", "\n".join(_named(problems)))
                said = shortened(error.said, MOST_ECHO) or "(nothing)"
                turns = (*turns, Turn("assistant", said), Turn("user", prompts.render(REPAIR, problems=wrong)))
            else:
                made_by = {"model": request.means.model.name, "prompt_hash": prompts.hash(RULES, REQUEST, REPAIR)}
                return plan.model_copy(update={**made_by, **of_run})
        raise _given_up(request.means, problems)

    async def _asked(self, errand: Errand, turns: tuple[Turn, ...], *, purpose: str) -> Plan:
        task_id = errand.terms.request.task_id
        question = Question(turns, schema=errand.schema, schema_name="plan", max_tokens=MOST_TOKENS)
        about = About(run_of(task_id), task_id, purpose)
        try:
            reply = await errand.means.model.ask(question, about, seconds=errand.means.seconds)
        except Unusable as error:
            if error.permanent:
                raise
            raise Misunderstood([str(error)], said=error.said) from error
        return plan_from(reply.text, errand.terms, planner=self.name)


def _said_of_the_run(notes: Sequence[NotesFile]) -> Mapping[str, Any]:
    """What front matter says; no model is asked about it. Raises NotesError."""
    problems = Problems([one.name for one in notes])
    found = of_the_run(notes, problems)
    problems.refuse_if_any()
    return found


def _named(problems: tuple[str, ...]) -> list[str]:
    """Enough of them to be mended in one go: a model that is told too much mends nothing."""
    left = len(problems) - MOST_NAMED
    named = [f"- {' '.join(problem.split())[:LONGEST_PROBLEM]}" for problem in problems[:MOST_NAMED]]
    return [*named, *([f"- … and {left} more"] if left > 0 else [])]


def _given_up(means: Means, problems: tuple[str, ...]) -> ModelFailed:
    text = "\n".join(_named(problems))
    return ModelFailed(
        f"the model {means.model.name!r} made no plan that can be carried out, not even when it was told what was wrong:\n{text}\n"
        "say more in the prompt or the notes, take another model, or write the tasks as headings for the planner `outline`",
        code="model_nonsense",
        permanent=True,
    )

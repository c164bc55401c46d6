"""The check `model`: a language model judges what was left against criteria. What it quotes as evidence is looked up."""

import asyncio
import json
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from pydantic import BaseModel, Field, ValidationError

from services.checker.checks.base import Check, Judging, NotJudged, Subject, Tools
from services.checker.checks.exhibits import Exhibits, exhibits, found
from shared.catalogue.checks import CheckParams, ModelCheck
from shared.contracts.checker import Evidence
from shared.errors import ModelFailed, TaskgroveError, Unavailable
from shared.models.fence import fenced, shortened
from shared.models.patience import Patience
from shared.models.port import About, Question, Reply, Turn
from shared.models.settings import NO_MODEL

PROMPTS = ("judge-rules.txt.j2", "judge-case.txt.j2")
PURPOSE = "check"
TITLE = 120
TRIES = 2
MOST_ANSWER = 4_096
LONGEST_WAIT = 30.0
PASSING = ("model_busy", "model_unreachable", "model_timed_out", "model_broke_off")
MOST_BILLED = 2
"""So often the same is asked again although an answer may have been made, and billed, that never came."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "reasons": {"type": "array", "items": {"type": "string", "maxLength": 500}, "minItems": 1, "maxItems": 10},
        "quotes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"file": {"type": "string", "maxLength": 300}, "text": {"type": "string", "maxLength": 300}},
                "required": ["file", "text"],
                "additionalProperties": False,
            },
            "maxItems": 10,
        },
        "passed": {"type": "boolean"},
    },
    "required": ["reasons", "quotes", "passed"],
    "additionalProperties": False,
}

log = structlog.get_logger()


class Quote(BaseModel):
    """A passage that the judge says is there."""

    file: str
    text: str = Field(max_length=10_000)


class Opinion(BaseModel):
    """What the judge says; not believed yet."""

    reasons: list[str] = Field(min_length=1, max_length=50)
    quotes: list[Quote] = Field(max_length=50)
    passed: bool = Field(strict=True)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why an answer of the judge does not count."""

    problem: str
    said: str = ""


class ModelJudge(Check):
    """Sees criteria, files and data; never a summary, a log, or anything else that the executor said."""

    kind = "model"

    def __init__(self, tools: Tools) -> None:
        self._judging = tools.judging

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        """Passed when the judge says so and all that it quotes is there. Raises NotJudged when nobody could be asked."""
        check = ModelCheck.model_validate(params)
        title = f"model: {check.criteria.strip().partition(chr(10))[0][:TITLE]}"
        if self._judging is None:
            raise NotJudged(f"the work is there, and the check model has nobody to ask: {NO_MODEL}")
        try:
            directory = await subject.files()
        except Unavailable:
            raise
        except TaskgroveError as error:
            return Evidence(check=title, passed=False, detail=str(error))
        shown = await asyncio.to_thread(partial(exhibits, directory, subject.result, most=self._judging.most_bytes))
        opinion = await _Case(self._judging, subject, shown).opinion(check.criteria)
        if isinstance(opinion, Unusable):
            return Evidence(check=title, passed=False, detail=f"the judge gave no usable answer: {opinion.problem}", output=opinion.said)
        kept = [(quote.file, quote.text) for quote in opinion.quotes if shown.hold(quote.text, quote.file)]
        reasons = shortened("\n".join(opinion.reasons), MOST_ANSWER)
        return Evidence(check=title, passed=opinion.passed, detail=reasons, output=shortened(found(kept), MOST_ANSWER))


@dataclass(frozen=True, slots=True)
class _Case:
    """One judgement."""

    judging: Judging
    subject: Subject
    shown: Exhibits

    async def opinion(self, criteria: str) -> Opinion | Unusable:
        """The first usable one of two answers; the second question says what was wrong with the first."""
        turns = self._beginning(criteria)
        opinion: Opinion | Unusable = Unusable("it was not asked")
        for _ in range(TRIES):
            opinion = await self._asked(turns)
            if isinstance(opinion, Opinion):
                return opinion
            log.warning("judge.unusable", task_id=self.subject.task_id, problem=opinion.problem)
            again = Turn("user", f"That cannot be used: {opinion.problem}. Judge once more, and answer with the JSON object alone.")
            turns = (*turns, *([Turn("assistant", opinion.said)] if opinion.said else []), again)
        return opinion

    def _beginning(self, criteria: str) -> tuple[Turn, ...]:
        prompts, shown = self.judging.prompts, self.shown
        title, fence = json.dumps(self.subject.title, ensure_ascii=False), fenced("criteria", criteria.strip())
        case = prompts.render(PROMPTS[1], title=title, criteria=fence, listing=shown.listing(), exhibits=shown.fences())
        return Turn("system", prompts.render(PROMPTS[0])), Turn("user", case)

    async def _asked(self, turns: tuple[Turn, ...]) -> Opinion | Unusable:
        question = Question(turns, schema=SCHEMA, schema_name="judgement", max_tokens=MOST_ANSWER)
        opinion, is_old = await self._opinion_on(question, anew=self.subject.anew)
        if is_old and isinstance(opinion, Unusable):  # kept from an earlier attempt: it would be the answer to every later one
            opinion, _ = await self._opinion_on(question, anew=self.subject.attempt_id)
        return opinion

    async def _opinion_on(self, question: Question, *, anew: str) -> tuple[Opinion | Unusable, bool]:
        """What the judge says, and whether it was said before and kept."""
        try:
            reply = await self._answer(question, anew=anew)
        except ModelFailed as error:
            if error.code == "model_nonsense":
                return Unusable(str(error)), False
            raise NotJudged(f"the work is there, and could not be judged: {error}") from error
        return usable(reply.text, self.shown), reply.reused

    async def _answer(self, question: Question, *, anew: str) -> Reply:
        """The model's reply. One that is away or busy is waited for, as long as the patience lasts: that is no fault of the work."""
        judging, task_id = self.judging, self.subject.task_id
        about = About(self.subject.run_id, task_id, PURPOSE, anew)
        patience = Patience(
            lambda error: error.code in PASSING, base=1.0, cap=LONGEST_WAIT, seconds=judging.patience_seconds, most_billed=MOST_BILLED
        )
        return await patience.get(
            lambda: judging.model.ask(question, about, seconds=math.inf),  # TASKGROVE_MODEL_TIMEOUT_SECONDS bounds each answer
            waits=lambda error, wait: log.warning("judge.waits", task_id=task_id, seconds=round(wait, 3), error=str(error)),
        )


def usable(text: str, shown: Exhibits) -> Opinion | Unusable:
    """The judge's words as an opinion, if it has the right form and rests on what is there. To refuse, nothing has to be quoted."""
    said = shortened(text, MOST_ANSWER)
    try:
        opinion = Opinion.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        return Unusable(f"{where}: {first['msg']}", said)
    if not opinion.passed:
        return opinion
    if missing := [quote for quote in opinion.quotes if not shown.hold(quote.text, quote.file)]:
        quote = missing[0]
        return Unusable(f"it quotes what is not there: {quote.text[:TITLE]!r} in {quote.file[:TITLE]!r}", said)
    return opinion if opinion.quotes else Unusable("it passes without quoting anything", said)

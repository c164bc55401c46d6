"""The check `command`: a command that must exit with 0 among the files that the task left."""

from dataclasses import replace

from services.checker.checks.base import Check, NotJudged, Subject, Tools
from shared.catalogue.checks import CheckParams, CommandCheck
from shared.contracts.checker import Evidence
from shared.errors import TaskgroveError, Unavailable
from shared.models.settings import NO_WALLS

TITLE = 120


class Command(Check):
    """Runs in the sandbox, in the fresh directory: what the executor claims plays no part."""

    kind = "command"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        """Passed when the command ended by itself, in time, with exit status 0. Raises NotJudged when it may not be run here."""
        check = CommandCheck.model_validate(params)
        first = check.run.strip().partition("\n")[0]
        title = f"command: {first[:TITLE]}"
        if subject.by_model and not self._tools.may_obey_models:
            raise NotJudged(f"the work is there, and the check {title!r} was not run: {NO_WALLS}")
        limits = replace(self._tools.limits, seconds=check.timeout)
        try:
            directory = await subject.files()
        except Unavailable:
            raise
        except TaskgroveError as error:
            return Evidence(check=title, passed=False, detail=str(error))
        finished = await self._tools.sandbox.run(["sh", "-eu", "-c", check.run], directory=directory, env=subject.env, limits=limits)
        detail = f"{finished.how()}, {finished.seconds:.1f} s, sandbox: {finished.level}"
        return Evidence(check=title, passed=finished.ok, detail=detail, output=finished.output, seconds=finished.seconds)

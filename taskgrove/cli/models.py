"""Language models, as far as a command has to know: whether there is one, and a scripted one in its place."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.catalogue.planners import NOBODY_PLANS
from shared.contracts.plan import RunOptions
from shared.errors import BadInput, NotesError, TaskgroveError
from shared.models.settings import ModelSettings
from shared.settings import read
from taskgrove.cli.place import Place, known_place
from taskgrove.cli.planning import Submission, submission_of
from taskgrove.cli.stand import Where
from taskgrove.local.environment import environment
from taskgrove.scripted import read_script, scripted


def starts_its_own(where: Where) -> bool:
    """Whether the command starts a Taskgrove for itself, which then has this command's environment."""
    return where.in_memory or known_place(where.api, where.data) is None


def submission_at(place: Place | None, paths: Sequence[Path], *, prompt: str, options: RunOptions) -> Submission:
    """What is submitted to the Taskgrove at `place` (None: one yet to be started). Only where notes want a model is it asked for one.

    Raises as `submission_of` does.
    """
    try:
        return submission_of(paths, prompt=prompt, options=options)
    except NotesError:
        if place is None or not _has_model(place):
            raise
    return submission_of(paths, prompt=prompt, options=options, elsewhere=True)


def _has_model(place: Place) -> bool:
    async def asked() -> bool:
        async with place.client() as client:
            return bool((await client.whoami()).get("model"))

    try:
        return asyncio.run(asked())
    except TaskgroveError:  # it will be said when the run is submitted; until then the notes are what is wrong
        return False


def refuse_without_model(where: Where) -> None:
    """Raises BadInput where a model has to plan and it is clear already that there is none; another Taskgrove says so itself."""
    if starts_its_own(where) and not read(ModelSettings).configured:
        raise BadInput(NOBODY_PLANS)


@contextmanager
def stand_in(script: Path | None, where: Where) -> Iterator[None]:
    """With a script: a scripted model, and an environment that leads to it, while the block lasts. Raises BadInput."""
    if script is None:
        yield
        return
    if not starts_its_own(where):
        raise BadInput("--scripted-model is for a Taskgrove that this command starts, and one runs already; add --in-memory, or --data DIR")
    with scripted(read_script(script)) as model, environment(model.environment):
        yield

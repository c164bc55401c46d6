"""Language models, as far as a command has to know: whether there is one, and a scripted one in its place."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.catalogue.planners import NOBODY_PLANS
from shared.errors import BadInput
from shared.models.settings import ModelSettings
from shared.settings import read
from taskgrove.cli.place import local_place
from taskgrove.cli.stand import Where
from taskgrove.scripted import read_script, scripted


def starts_its_own(where: Where) -> bool:
    """Whether the command starts a Taskgrove for itself, which then has this command's environment."""
    return where.in_memory or not (where.api or local_place(where.data))


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


@contextmanager
def environment(given: Mapping[str, str]) -> Iterator[None]:
    """These variables for this process and those that it starts, while the block lasts."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

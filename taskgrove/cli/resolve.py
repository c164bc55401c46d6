"""From what a person types to an id: `last`, the beginning or the end of a run's id, and the path of a task below it."""

import re
from collections.abc import AsyncIterator, Iterable

from shared.contracts.views import TaskView
from shared.errors import BadInput, NotFound
from taskgrove.cli.text import short
from taskgrove.client import Client

LEAST = 4
MOST_RUNS = 5_000
SHOWN = 5
FULL = re.compile(r"[0-9a-f]{32}")
PARTS = re.compile(r"[.:@]")


async def run_id(client: Client, wanted: str) -> str:
    """The run that is meant. Raises NotFound or BadInput with the runs that fit."""
    if FULL.fullmatch(wanted):
        return wanted
    runs = [task.run_id async for task in _runs(client)]
    if wanted == "last":
        if not runs:
            raise NotFound("there are no runs yet; start one with `taskgrove run --notes PATH`")
        return max(runs)
    return pick(wanted, runs, what="run", listed="taskgrove status")


async def task_id(client: Client, wanted: str) -> str:
    """The task that is meant: a run as above, with the path below it kept as it is."""
    run, dot, path = wanted.partition(".")
    return f"{await run_id(client, run)}{dot}{path}"


async def approval_id(client: Client, wanted: str, *, of: Iterable[str]) -> str:
    """The open question that is meant: by its id, or by its task or run where that asks only one. `of`: those to choose from."""
    known = list(of)
    run = PARTS.split(wanted, maxsplit=1)[0]
    full = (await run_id(client, run)) + wanted[len(run) :] if run == "last" else wanted
    if full in known:
        return full
    run = PARTS.split(full, maxsplit=1)[0]
    path = full[len(run) :]
    if len(run) < LEAST:
        raise BadInput(f"{wanted!r} is too short; give at least {LEAST} characters of the run, as `taskgrove inbox` shows them")
    found = [one for one in known if _fits(one, run, path)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"no open question fits {wanted!r}; `taskgrove inbox` lists them")
    raise BadInput(f"{wanted!r} fits {len(found)} open questions: {_few(found)}; give one of these")


def pick(wanted: str, known: Iterable[str], *, what: str, listed: str) -> str:
    """The one known id that is this, or else begins or ends like this in whatever case: who publishes a run chooses its id."""
    candidates = list(dict.fromkeys(known))
    if wanted in candidates:
        return wanted
    if len(wanted) < LEAST:
        raise BadInput(f"{wanted!r} is too short for a {what}; give at least {LEAST} characters, as `{listed}` shows them")
    found = [one for one in candidates if _like(one, wanted)]
    if not found:
        raise NotFound(f"there is no {what} {wanted!r}; `{listed}` lists them")
    if len(found) > 1:
        raise BadInput(f"{wanted!r} fits {len(found)} of them: {_few(found)}; give more characters")
    return found[0]


def _fits(known: str, run: str, path: str) -> bool:
    """`path` is what follows the run: nothing, a task below it, or a task and the beginning of the question."""
    its_run = PARTS.split(known, maxsplit=1)[0]
    rest = known[len(its_run) :]
    return _like(its_run, run) and (path in ("", rest) or rest.startswith(f"{path}:"))


def _like(known: str, wanted: str) -> bool:
    known, wanted = known.casefold(), wanted.casefold()
    return known.startswith(wanted) or known.endswith(wanted)


def _few(found: list[str]) -> str:
    return ", ".join(short(one) for one in found[:SHOWN]) + (" and more" if len(found) > SHOWN else "")


async def _runs(client: Client) -> AsyncIterator[TaskView]:
    count = 0
    async for task in client.all_tasks(roots=True):
        yield task
        count += 1
        if count >= MOST_RUNS:
            return

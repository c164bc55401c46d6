"""What simulated tasks do, offered to the agent `python` as any package offers functions: take time, have effects, fail, ask, split."""

import asyncio
from typing import Any
from zlib import crc32

from services.executor.agents import Asks, Done, TooBig, Work, callable_
from shared.contracts.executor import Result
from shared.contracts.plan import TaskSpec
from shared.errors import AgentFailed
from tests.simulation.loop import host
from tests.simulation.ports import now_done


@callable_()
async def act(
    work: Work,
    *,
    does: str = "work",
    seconds: float = 0.0,
    times: int = 0,
    reads: bool = False,
    subtasks: tuple[dict[str, Any], ...] = (),
) -> Done | Asks | TooBig:
    """An attempt. `does` says how it goes wrong the first so many `times`; then, and for `work` always, it does what it is for."""
    process: Any = host.get()
    ledger, attempts = process.world.ledger.effects, now_done(process.world.store["attempts"].find({"state": "running"}, ("state",)))
    ledger.begin(work.attempt_id, under_way=[doc["_id"] for doc in attempts])
    if does == "ask" and len((await work.around()).answers) < times:
        return Asks(f"What about {work.title}?")
    if does == "split":
        return TooBig("this is a lot", tuple(TaskSpec.model_validate(task) for task in subtasks))
    goes_wrong = does in WAYS and ledger.failed_before(work.task_id) < times
    saw = {key: token_of(one.result.data) for key, one in (await work.dependencies()).items() if one.result} if reads else {}
    await asyncio.sleep(work.timeout * 2 if goes_wrong and does == "hang" else seconds)
    if goes_wrong and does == "fail":
        raise AgentFailed(f"{work.title} fails")
    if goes_wrong and does == "break":
        raise RuntimeError(f"{work.title} breaks")
    number = ledger.do(task_id=work.task_id, key=work.attempt_id, process=process.name)
    # As if more of the run waited for processors: it is written with what ends next.
    return Done(Result(data={"good": not goes_wrong, "token": number, "saw": saw}), crowded=crc32(work.attempt_id.encode()) % 4 == 0)


WAYS = frozenset({"fail", "break", "hang", "spoil"})
"""Of going wrong: it says so, it breaks, it takes too long, or it does it badly, which only the check sees."""


def token_of(data: dict[str, Any]) -> int | None:
    """The number of the effect that a result rests on; None: a person gave it, or it joins others."""
    return data.get("token")

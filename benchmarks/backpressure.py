"""What happens when far more comes than can be done: memory stays bounded everywhere, and nothing is lost."""

import asyncio

import aio_pika

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plans import bare
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import all_ended, refuse_unless_sound, submit
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench, replica
from benchmarks.watching import watched
from shared.ending import end
from shared.errors import TaskgroveError
from shared.messaging.topology import queues
from taskgrove.local.supervisor import SERVICES

SLOTS = "TASKGROVE_EXECUTOR_WAITING_SLOTS"
FEW, PLENTY = "20", "10000"
MOST_MEMORY = Bar(300)
MOST_WAITING = Bar(200_000)
LOOK_SECONDS = 0.5


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Most memory of each process while one executor with few slots meets the flood, and while another with many does the rest."""
    depth = [0]
    looking = asyncio.create_task(_look(bench, depth))
    try:
        async with watched(bench.processes()) as seen:
            count = -(-sizes.flood // sizes.flood_run)
            run_ids = await asyncio.gather(*(submit(bench, bare(sizes.flood_run, "blink")) for _ in range(count)))
            await asyncio.sleep(sizes.flood_seconds)
            done = await bench.documents["attempts"].count_documents({"state": "executed"})
            # Both offer what they have: the first one keeps its backlog, and who has a slot first claims.
            async with replica(bench, "executor", **{SLOTS: PLENTY}):
                await all_ended(bench, run_ids)
    finally:
        await end([looking])
    tasks = sum([await refuse_unless_sound(bench, run_id, disturbed=True) for run_id in run_ids])
    if tasks != count * (sizes.flood_run + 1):
        raise TaskgroveError(f"{tasks} tasks are in the store, and {count * (sizes.flood_run + 1)} were submitted")
    memory = {name: seen.peak[name] for name in (*SERVICES, "mongod", "rabbitmq")}
    return memory | {"queue": float(depth[0]), "done": float(done), "tasks": float(tasks)}


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """Memory, the longest queue, and that all were done."""
    own = taken["backpressure"]
    return [
        *(Figure(f"flood, most memory of {name}", "MiB", own[name], MOST_MEMORY) for name in SERVICES),
        *(Figure(f"flood, most memory of {name}", "MiB", own[name]) for name in ("mongod", "rabbitmq")),
        Figure("flood, most messages in a queue", "messages", own["queue"], MOST_WAITING),
        Figure(f"flood, tasks done {sizes.flood_seconds:g} s after the last submission", "tasks", own["done"]),
        Figure("flood, tasks done and verified in the end, each once", "tasks", own["tasks"]),
    ]


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """Memory."""
    own = taken["backpressure"]
    rows = [Row(name, own[name], MOST_MEMORY) for name in SERVICES]
    others = [Row(name, own[name], ours=False) for name in ("mongod", "rabbitmq")]
    return Bars(f"{sizes.flood} tasks for {FEW} slots", "MiB of resident memory at its highest", (*rows, *others))


async def _look(bench: Bench, depth: list[int]) -> None:
    """The most messages that one of the services' queues held."""
    async with await aio_pika.connect(bench.broker_url) as connection, connection.channel() as channel:
        while True:
            for queue in queues():
                declared = await channel.declare_queue(queue.name, passive=True)
                depth[0] = max(depth[0], declared.declaration_result.message_count or 0)
            await asyncio.sleep(LOOK_SECONDS)


QUESTION = Question(
    "backpressure",
    "Backpressure: far more than can be done",
    """{flood} tasks of 50 ms, submitted at once as runs of {flood_run}, meet one executor with 20 slots. For {flood_seconds:g} s
after the last submission memory and queues are watched; then a second executor with many slots joins, and all of it must end, each
task with exactly one executed attempt and one passed verdict. What waits, waits in the store: an executor keeps a bounded backlog,
queues carry ids.""",
    measure,
    figures,
    plot,
    fresh=True,
    settings={SLOTS: FEW},
)

"""What one link of a chain costs: its task ends, is judged, completed, and the next one is dispatched and ends."""

from dataclasses import dataclass
from itertools import pairwise

from benchmarks.plans import chain
from benchmarks.runs import Run, run_plan
from benchmarks.stack import Bench


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain. `links`: milliseconds from the completion of each task to that of the next, as the documents have it."""

    run: Run
    links: tuple[float, ...]

    @property
    def wall(self) -> float:
        """Milliseconds a link, from the call of POST /tasks to the verified root: planning and the root's own steps included."""
        return self.run.whole * 1e3 / (len(self.links) + 1)


async def measure(bench: Bench, length: int) -> Chain:
    """One chain of `length` tasks."""
    run = await run_plan(bench, chain(length))
    tasks = await bench.documents["tasks"].find({"parent_id": run.run_id}, ["position", "finished_at"]).sort("position", 1).to_list()
    ends = [task["finished_at"] for task in tasks]
    return Chain(run, tuple((after - before).total_seconds() * 1e3 for before, after in pairwise(ends)))

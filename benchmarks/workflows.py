"""Real workflows with their recorded times: how near the makespan comes to the critical path, below which nothing can end."""

import asyncio
import json
import os
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plot import Bars, Row
from benchmarks.question import Question, Skipped
from benchmarks.runs import run_plan
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from shared.contracts.plan import NotesFile

DATA = "TASKGROVE_DATA"
FOLDER = "wfformat"
LEAST_EFFICIENCY = Bar(0.95, at_least=True)


@dataclass(frozen=True, slots=True)
class Workflow:
    """One file. `scale` makes the median of the tasks that took any time what is wanted; `critical`: seconds of the longest path."""

    name: str
    notes: NotesFile
    tasks: int
    scale: float
    critical: float


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Critical path ÷ makespan of each workflow; all run at once, each task only waits, and there are slots for all."""
    workflows = found(sizes.median_task_seconds)
    runs = await asyncio.gather(*(run_plan(bench, one.notes, time_scale=one.scale) for one in workflows))
    return {one.name: one.critical / run.work for one, run in zip(workflows, runs, strict=True)}


def figures(taken: Taken, _sizes: Sizes) -> list[Figure]:
    """One a workflow."""
    return [Figure(f"{name}, critical path ÷ makespan", "times", values, LEAST_EFFICIENCY) for name, values in taken["workflows"].items()]


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """One bar a workflow."""
    rows = tuple(Row(name, values, LEAST_EFFICIENCY) for name, values in taken["workflows"].items())
    title = f"Recorded workflows, median task {sizes.median_task_seconds:g} s"
    return Bars(title, "critical path ÷ makespan, more is better, 1 cannot be exceeded", rows)


def found(seconds: float) -> list[Workflow]:
    """The workflows of the directory that the environment names, or of its folder `wfformat`. Raises Skipped where there are none."""
    root = Path(os.environ.get(DATA, ""))
    folder = root / FOLDER if (root / FOLDER).is_dir() else root
    files = sorted(folder.glob("*.json")) if os.environ.get(DATA) else []
    if not files:
        raise Skipped(f"set {DATA} to a directory of workflows in WfCommons WfFormat 1.5, as of github.com/wfcommons/WfInstances")
    return [read(path, seconds) for path in files]


def read(path: Path, seconds: float) -> Workflow:
    """A file, with the scale that makes its median task take `seconds`."""
    text = path.read_text(encoding="utf-8")
    workflow = json.loads(text)["workflow"]
    took = {task["id"]: float(task["runtimeInSeconds"]) for task in workflow["execution"]["tasks"]}
    parents = {task["id"]: task["parents"] for task in workflow["specification"]["tasks"]}
    scale = seconds / median([one for one in took.values() if one > 0])
    ends: dict[str, float] = {}
    for name in TopologicalSorter(parents).static_order():
        ends[name] = took[name] * scale + max((ends[parent] for parent in parents[name]), default=0.0)
    return Workflow(path.stem, NotesFile(name=path.name, text=text), len(took), scale, max(ends.values()))


QUESTION = Question(
    "workflows",
    "Workflows: how near to the critical path",
    """Scientific workflows with the times that were recorded of them (WfCommons WfFormat, read by the planner `import`), scaled so
that the median of the tasks that took any time takes {median_task_seconds:g} s; their tasks wait for as long, and there are slots
for all. The critical path is the longest way through the recorded times: no order and no machine ends sooner. The makespan is from
the first dispatch to the verified root, all checks included. Needs the environment variable `TASKGROVE_DATA`.""",
    measure,
    figures,
    plot,
    fresh=True,
)

"""How many tasks a second: thousands of no-op tasks fanned out and joined, through all five services."""

from benchmarks.plans import fan
from benchmarks.runs import Run, run_plan
from benchmarks.stack import Bench


async def measure(bench: Bench, width: int) -> Run:
    """One fan of `width` tasks, each with one executed attempt and one passed verdict in the end."""
    return await run_plan(bench, fan(width))

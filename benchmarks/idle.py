"""What a service costs while nothing happens."""

import asyncio

from benchmarks.stack import Bench

SETTLE_SECONDS = 3.0


async def measure(bench: Bench, seconds: float) -> dict[str, float]:
    """Percent of one core that each process takes while there is nothing to do; one that watches another process costs it nothing."""
    await asyncio.sleep(SETTLE_SECONDS)
    processes = bench.processes()
    before = {name: process.cpu_times() for name, process in processes.items()}
    await asyncio.sleep(seconds)
    after = {name: process.cpu_times() for name, process in processes.items()}
    return {name: 100 * (after[name].user + after[name].system - before[name].user - before[name].system) / seconds for name in processes}

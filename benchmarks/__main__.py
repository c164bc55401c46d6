"""Measure, and print what was measured beside its bars: `python -m benchmarks [--quick] [--in-memory] [--write] [--strict]`."""

import argparse
import asyncio

from benchmarks.machine import describe
from benchmarks.measure import QUICK, Samples, Sizes, any_missed, figures, rounds, starts
from benchmarks.report import PAGE, page, table, weather
from benchmarks.stack import directory, started


def main() -> int:
    """Exit status: 1 if a bar is missed and --strict is given."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller runs, about a minute")
    parser.add_argument("--in-memory", action="store_true", help="data in memory instead of on the disk of the temporary directory")
    parser.add_argument("--write", action="store_true", help="write the page docs/benchmarks.md")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 if a bar is missed")
    given = parser.parse_args()
    missed = asyncio.run(_measured(QUICK if given.quick else Sizes(), in_memory=given.in_memory, write=given.write))
    return int(missed and given.strict)


async def _measured(sizes: Sizes, *, in_memory: bool, write: bool) -> bool:
    samples = Samples()
    with directory(in_memory=in_memory) as root:
        await starts(root, sizes, samples)
        async with started(root) as bench:
            machine = await describe(bench)
            await rounds(bench, sizes, samples)
    found = figures(samples, sizes)
    print(f"\n{table(found)}\n", *machine.lines(), weather(samples.others), sep="\n")
    if write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(found, machine, others=samples.others, tasks=sizes.tasks, links=sizes.links), encoding="utf-8")
    return any_missed(found)


if __name__ == "__main__":
    raise SystemExit(main())

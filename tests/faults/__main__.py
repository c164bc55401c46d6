"""`make faults`: `python -m tests.faults [SCENARIO …] [--kills N] [--json FILE] [--list]`."""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from tests.faults import scenarios_broker, scenarios_failpoints, scenarios_processes, scenarios_short, scenarios_store  # noqa: F401 (they register their scenarios)
from tests.faults.bench import SCENARIOS, Result, play
from tests.faults.report import keep, line, show


def main() -> int:
    """Play what was asked for, or all; 1 if anything was not as it must be."""
    asked = _arguments()
    if asked.list:
        for scene in SCENARIOS.values():
            print(f"{scene.name:24} {scene.what}")
        return 0
    if unknown := set(asked.scenario) - SCENARIOS.keys():
        print(f"no scenario {', '.join(sorted(unknown))}; there are: {', '.join(SCENARIOS)}", file=sys.stderr)
        return 2
    results = asyncio.run(_played(asked.scenario or list(SCENARIOS), kills=asked.kills))
    show(results, Console(width=160))
    if asked.json:
        keep(results, asked.json)
    return int(not all(result.passed for result in results))


async def _played(names: list[str], *, kills: int) -> list[Result]:
    results = []
    for name in names:
        results.append(await play(SCENARIOS[name], kills=kills))
        print(" ".join(line(results[-1])), flush=True)
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Real processes, real faults.")
    parser.add_argument("scenario", nargs="*", help="names; all if none is given")
    parser.add_argument("--kills", type=int, default=0, help="for scenarios that kill at random: how often (the long mode takes 2000)")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    parser.add_argument("--list", action="store_true", help="say which scenarios there are")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

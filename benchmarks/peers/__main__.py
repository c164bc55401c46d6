"""Install the peers, or measure those that are installed: `python -m benchmarks.peers install|run [name …]`."""

import argparse
import asyncio
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks.peers.parts import started
from benchmarks.peers.run import PEERS, ROOT, PeerFigures, install, installed, lacking, measure
from benchmarks.stack import directory
from shared.errors import BadInput, TaskgroveError

HEADINGS = ("peer", "version", "fan, tasks/s", "chain, ms a link", "rounds")


def main() -> int:
    """Exit status: 1 if one could not be installed, or one that is installed not measured; 2 for a name that is none."""
    given = _arguments()
    names = given.names or list(PEERS)
    if strange := set(names) - set(PEERS):
        print(f"There is no peer {', '.join(sorted(strange))}; there are {', '.join(PEERS)}.", file=sys.stderr)
        return BadInput.exit_status
    if given.command == "install":
        return _install(names, given.root)
    return asyncio.run(_run([name for name in names if _there(name, given.root)], given))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (commands.add_parser("install", help="make their environments"), run := commands.add_parser("run", help="measure them")):
        command.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(PEERS)}; all without one")
        command.add_argument("--root", type=Path, default=ROOT, help="where their environments are (default: %(default)s)")
    run.add_argument("--fan", type=int, default=1_000, help="tasks fanned out and joined (default: %(default)s)")
    run.add_argument("--chain", type=int, default=100, help="tasks one after the other (default: %(default)s)")
    run.add_argument("--rounds", type=int, default=3, help="how often, in turn with the others (default: %(default)s)")
    run.add_argument("--timeout", type=float, default=600.0, help="seconds for one round of one peer (default: %(default)s)")
    run.add_argument("--in-memory", action="store_true", help="data of RabbitMQ and MongoDB in memory instead of on the disk")
    return parser.parse_args()


def _install(names: list[str], root: Path) -> int:
    failed = 0
    for name in names:
        try:
            print(f"{name}: {install(name, root)}", flush=True)
        except TaskgroveError as error:
            failed = 1
            print(f"{name}: {error}", file=sys.stderr)
        if programs := lacking(name, root):
            print(f"{name} still needs: {programs}", file=sys.stderr)
    return failed


def _there(name: str, root: Path) -> bool:
    if not installed(name, root):
        print(f"{name} is left out, it is not installed: {lacking(name, root)}", flush=True)
    return installed(name, root)


async def _run(names: list[str], given: argparse.Namespace) -> int:
    found: dict[str, list[PeerFigures]] = defaultdict(list)
    failed = False
    with directory(in_memory=given.in_memory) as here:
        async with started(here) as parts:
            for name in names * given.rounds:
                try:
                    figures = await measure(
                        name,
                        fan=given.fan,
                        chain=given.chain,
                        broker_url=parts.broker_url,
                        store_url=parts.store_url,
                        timeout=given.timeout,
                        root=given.root,
                    )
                except TaskgroveError as error:
                    failed = True
                    print(error, file=sys.stderr)
                    continue
                found[name].append(figures)
                print(f"  {name}: {figures.tasks_per_second:.1f} tasks/s, {figures.ms_per_link:.2f} ms a link", flush=True)
    print(f"\n{_table(found)}\n", *(_about(rounds[-1]) for rounds in found.values()), sep="\n")
    return int(failed)


def _table(found: dict[str, list[PeerFigures]]) -> str:
    """Medians, as Markdown."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS)]
    for name, rounds in found.items():
        rate, link = median(one.tasks_per_second for one in rounds), median(one.ms_per_link for one in rounds)
        rows.append((name, rounds[-1].version, f"{rate:.1f}", f"{link:.2f}", str(len(rounds))))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _about(figures: PeerFigures) -> str:
    settings = "; ".join(f"{name}: {value}" for name, value in figures.settings.items())
    return f"- {figures.peer} ({PEERS[figures.peer].what}). {figures.durable} {settings}"


if __name__ == "__main__":
    raise SystemExit(main())

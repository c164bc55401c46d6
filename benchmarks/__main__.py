"""Measure, and print what was measured beside its bars: `python -m benchmarks [--quick] [--only NAME,NAME] [--write] …`."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.figures import Figure
from benchmarks.kept import merged, of_session, read
from benchmarks.measure import Session, take
from benchmarks.question import Question
from benchmarks.questions import PEERS, QUESTIONS
from benchmarks.report import READINGS, table, told, write
from benchmarks.sizes import QUICK, Sizes
from benchmarks.stack import directory

GUARDED = "fan ÷ pipeline, first dispatch to verified"


def main() -> int:
    """Exit status: 1 where --guard is missed; with --strict also where any bar is missed, or a run was not sound."""
    parser = _parser()
    given = parser.parse_args()
    if given.quick and given.write:
        parser.error("--write is for the sizes that the bars are for: leave out --quick")
    if given.page:
        return _rewritten()
    sizes = QUICK if given.quick else Sizes()
    questions = [one for one in QUESTIONS.values() if one in given.only or (given.peers and one.name == PEERS)]
    session = asyncio.run(_taken(questions, replace(sizes, rounds=given.rounds or sizes.rounds), in_memory=given.in_memory))
    taken = of_session(session)
    found = told(QUESTIONS, taken)
    _print(session, found)
    if given.write and taken:
        write(QUESTIONS, merged(READINGS, taken))
    missed = any(figure.missed for figures in found.values() for figure in figures)
    return int(_below(found, given.guard) or (given.strict and (missed or bool(session.failed))))


def _rewritten() -> int:
    kept = read(READINGS)
    if kept:
        write(QUESTIONS, kept)
    else:
        print(f"nothing is kept in {READINGS.name} yet: measure with --write first")
    return int(not kept)


async def _taken(questions: Sequence[Question], sizes: Sizes, *, in_memory: bool) -> Session:
    with directory(in_memory=in_memory) as root:
        return await take(questions, sizes, root)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__, epilog=f"questions: {', '.join(QUESTIONS)}")
    everything = [question for name, question in QUESTIONS.items() if name != PEERS]
    parser.add_argument("--quick", action="store_true", help="smaller runs; the bars are not for these")
    parser.add_argument("--only", type=_questions, default=everything, metavar="NAME,NAME", help="these questions alone")
    parser.add_argument("--peers", action="store_true", help="the other systems as well, as far as they are installed")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each is taken; 3 unless told")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its plots; what was not measured now stays")
    parser.add_argument("--page", action="store_true", help="write the page anew of the readings that are kept, and measure nothing")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 if a bar is missed")
    parser.add_argument("--guard", type=float, metavar="RATIO", help="exit with status 1 if the fan comes below this share of the pipeline")
    parser.add_argument("--in-memory", action="store_true", help="data in memory instead of on the disk of the temporary directory")
    return parser


def _questions(names: str) -> list[Question]:
    if unknown := [name for name in names.split(",") if name not in QUESTIONS]:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are: {', '.join(QUESTIONS)}")
    return [QUESTIONS[name] for name in names.split(",")]


def _print(session: Session, found: Mapping[str, Sequence[Figure]]) -> None:
    if found:
        print(f"\n{table([figure for figures in found.values() for figure in figures])}\n")
    print(*(session.machine.lines() if session.machine else ()), sep="\n")
    for name, reason in (session.skipped | session.failed).items():
        print(f"{name}: no figure: {reason}")


def _below(found: Mapping[str, Sequence[Figure]], guard: float | None) -> bool:
    """Whether the guarded ratio is too small, or is not there."""
    if guard is None:
        return False
    values = [figure.value for figures in found.values() for figure in figures if figure.name == GUARDED]
    held = bool(values) and values[0] >= guard
    print(f"guard: {GUARDED} is {values[0]:.2f}" if values else f"guard: {GUARDED} was not measured", f"and must be at least {guard:g}")
    return not held


if __name__ == "__main__":
    raise SystemExit(main())

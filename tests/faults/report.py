"""What `make faults` prints and keeps: a line a scenario, and the totals."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.faults.bench import Result

HEADINGS = ("scenario", "faults", "runs", "tasks", "recovered", "lost", "doubled", "again", "resumed s", "re-claimed s", "took s", "")


def line(result: Result) -> list[str]:
    """One row of the table. `recovered`: runs that were completed in spite of the faults."""
    tally, recovery = result.tally, result.recovery
    figures = (result.faults, tally.runs, tally.tasks, tally.completed, tally.lost, tally.doubled, tally.again)
    times = (_seconds(recovery.resumed), _seconds(recovery.reclaimed), f"{result.seconds:.0f}")
    return [result.name, *(str(figure) for figure in figures), *times, "ok" if result.passed else "FAILED"]


def totals(results: Sequence[Result]) -> dict[str, Any]:
    """Over all scenarios."""
    resumed = [result.recovery.resumed for result in results if result.recovery.resumed is not None]
    reclaimed = [result.recovery.reclaimed for result in results if result.recovery.reclaimed is not None]
    return {
        "scenarios": len(results),
        "passed": sum(result.passed for result in results),
        "faults": sum(result.faults for result in results),
        "runs": sum(result.tally.runs for result in results),
        "tasks": sum(result.tally.tasks for result in results),
        "recovered": sum(result.tally.completed for result in results),
        "lost": sum(result.tally.lost for result in results),
        "doubled": sum(result.tally.doubled for result in results),
        "again": sum(result.tally.again for result in results),
        "worst_resumed_seconds": max(resumed, default=None),
        "worst_reclaimed_seconds": max(reclaimed, default=None),
        "seconds": round(sum(result.seconds for result in results), 1),
    }


def show(results: Sequence[Result], console: Console) -> None:
    """The table, what was noted, and what was found."""
    table = Table(title="Faults")
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if number in (0, len(HEADINGS) - 1) else "right", no_wrap=True)
    for result in results:
        table.add_row(*line(result))
    console.print(table)
    for result in results:
        worst = {"worst after": result.recovery.worst} if result.recovery.worst else {}
        if notes := worst | result.notes:
            console.print(f"{result.name}: " + ", ".join(f"{key} {value}" for key, value in notes.items()), highlight=False)
        for finding in result.findings:
            console.print(f"[red]{result.name}[/red]: {finding}", highlight=False)
    figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in totals(results).items())
    console.print(f"In all: {figures}", highlight=False)


def keep(results: Sequence[Result], path: Path) -> None:
    """The same as JSON."""
    document = {"totals": totals(results), "scenarios": [asdict(result) for result in results]}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"

"""The test of the simulation: mistakes that somebody could make are all caught, and the list of them still fits the code."""

import pytest

from tests.simulation.commands import ROOT
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.mutants.__main__ import hunt_all

LEAST = 25
QUICK = (
    "what was written is not said again after a crash",
    "a zombie may write how its attempt ended",
    "the same idempotency key gives a second run",
)
"""These are made in each run of the tests; `make mutants` makes all."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_it_still_fits_the_code(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file} has changed: say the mistake anew"
    assert mutant.new != mutant.old
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")


def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len({(mutant.file, mutant.new) for mutant in MUTANTS}) == len(MUTANTS) >= LEAST


def test_mistakes_are_caught(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [mutant for mutant in MUTANTS if mutant.name in QUICK]
    assert len(chosen) == len(QUICK)
    with capsys.disabled():
        assert hunt_all(chosen) == []

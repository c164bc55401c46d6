"""What else a machine did while something was measured."""

from collections.abc import Iterator

import pytest

from benchmarks import machine


@pytest.mark.parametrize(
    ("before", "after", "others"),
    [((100.0, 40.0, 10.0), (200.0, 90.0, 40.0), 20.0), ((100.0, 40.0, 10.0), (100.0, 40.0, 10.0), 0.0)],
    ids=["some", "a count that stands still"],
)
def test_what_others_took(
    monkeypatch: pytest.MonkeyPatch, before: tuple[float, float, float], after: tuple[float, float, float], others: float
) -> None:
    seconds: Iterator[tuple[float, float, float]] = iter((before, after))
    monkeypatch.setattr(machine, "_processor_seconds", lambda: next(seconds))
    assert machine.Weather().others() == others

"""What is made of readings: figures, ratios, plots, the page, and what is kept of a session."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.figures import Bar, Figure, complete, number, percentile, ratios
from benchmarks.kept import Kept, beside, merged, read
from benchmarks.plot import Bars, Line, Lines, Row, svg
from benchmarks.questions import QUESTIONS
from benchmarks.report import PAGE, READINGS, page, table
from benchmarks.sizes import Sizes

START = {"start": {"seconds": (1.5, 2.5, 2.0)}}


class TestFigures:
    def test_the_value_is_the_median_and_the_bar_judges_it(self) -> None:
        assert Figure("x", "s", (3.0, 1.0, 2.0), Bar(2)).value == 2
        assert not Figure("x", "s", (3.0, 1.0, 2.0), Bar(2)).missed
        assert Figure("x", "s", (3.0, 1.0, 2.0), Bar(2.5, at_least=True)).missed
        assert not Figure("x", "s", (9.0,)).missed

    def test_ratios_are_taken_round_by_round(self) -> None:
        assert ratios((1.0, 9.0), (2.0, 3.0)) == (0.5, 3.0)

    def test_percentiles_are_values_that_were_taken(self) -> None:
        values = [float(value) for value in range(1, 101)]
        assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]
        assert percentile([7.0], 0.99) == 7

    def test_what_a_round_did_not_give_is_left_out(self) -> None:
        assert complete({"a": (1.0, 2.0), "b": (1.0,)}) == {"a": (1.0, 2.0)}
        assert complete({}) == {}

    @pytest.mark.parametrize(("value", "said"), [(0.123, "0.12"), (12.34, "12.3"), (1234.5, "1 234")])
    def test_numbers_have_as_many_digits_as_say_something(self, value: float, said: str) -> None:
        assert number(value) == said

    def test_a_table_says_which_bars_are_missed(self) -> None:
        lines = table([Figure("a", "s", (1.0,), Bar(2)), Figure("b", "s", (3.0,), Bar(2)), Figure("c", "s", (3.0,))]).splitlines()
        assert [line.rsplit("|", 2)[1].strip() for line in lines[2:]] == ["met", "missed", ""]


class TestPlots:
    def test_bars_are_a_document_with_their_numbers(self) -> None:
        drawn = svg(Bars("A < B", "seconds", (Row("ours", (1.0, 3.0), Bar(1.5)), Row("theirs", (0.0,), ours=False))))
        texts = [element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")]  # noqa: S314 (our own)
        assert texts == ["A < B", "seconds", "ours", "2.00 (≤ 1.50)", "theirs", "0.00"]

    @pytest.mark.parametrize("steep", [False, True])
    def test_lines_go_down_where_values_fall(self, *, steep: bool) -> None:
        drawn = svg(Lines("L", "ms", "tasks", (Line("a", ((10.0, (100.0,)), (1_000.0, (1.0, 2.0)))),), steep=steep))
        (points,) = re.findall(r'points="([^"]+)"', drawn)
        heights = [float(point.partition(",")[2]) for point in points.split()]
        assert heights[0] < heights[1]
        assert len(re.findall("<circle", drawn)) == 3
        ET.fromstring(drawn)  # noqa: S314 (our own)


class TestPage:
    def test_what_is_measured_again_takes_the_place_of_what_was(self, tmp_path: Path) -> None:
        path, now = tmp_path / "readings.json", datetime(2026, 1, 1, tzinfo=UTC)
        merged(path, {"fan": _kept(now, floor=(1.0,)), "chain": _kept(now, wall=(2.0,))})
        kept = merged(path, {"chain": _kept(now + timedelta(days=1), wall=(3.0, 4.0))})
        assert read(path) == kept
        assert {name: dict(one.readings) for name, one in kept.items()} == {"fan": {"floor": (1.0,)}, "chain": {"wall": (3.0, 4.0)}}

    def test_only_what_was_taken_side_by_side_is_held_against_each_other(self) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        kept = {"fan": _kept(now), "peers": _kept(now), "chain": _kept(now + timedelta(days=1))}
        assert set(beside(kept, "fan")) == {"fan", "peers"}
        assert set(beside(kept, "chain")) == {"chain"}

    def test_a_question_has_its_part_with_plot_bar_and_rounds(self) -> None:
        text = page(QUESTIONS, {"start": _kept(datetime(2026, 1, 1, tzinfo=UTC), **START["start"])})
        assert "## Start: until all five services are ready" in text
        assert "](benchmarks/start.svg)" in text
        assert text.count("| 1.50, 2.50, 2.00 | ≤ 3.00 | met |") == 2  # among all bars, and in its part

    def test_every_question_says_how_it_is_taken(self) -> None:
        for name, question in QUESTIONS.items():
            assert question.name == name
            assert question.how.format(**{field: "…" for field in Sizes.__slots__ if not field.endswith("seconds")}, **_seconds())
            assert question.fresh or not question.settings

    @pytest.mark.skipif(not READINGS.exists(), reason="nothing was measured and written yet")
    def test_the_page_is_what_the_readings_give(self) -> None:
        assert PAGE.read_text(encoding="utf-8") == page(QUESTIONS, read(READINGS))


def _kept(at: datetime, **readings: tuple[float, ...]) -> Kept:
    return Kept(at, ("2 cores",), (1.0,), Sizes(), readings)


def _seconds() -> dict[str, float]:
    return {field: 1.0 for field in Sizes.__slots__ if field.endswith("seconds")}

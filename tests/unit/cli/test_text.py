"""How things are written for people."""

import pytest

from shared.contracts.views import Usage
from taskgrove.cli.text import clean, duration, last_lines, line_of, short, size, spent


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"),
        (0.04, "40 ms"),
        (3.21, "3.2 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (75, "1 min 15 s"),
        (3_600, "1 h 00 min"),
        (7_380, "2 h 03 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (512, "512 B"), (1_536, "1.5 KiB"), (20 * 2**20, "20 MiB"), (3 * 2**30, "3.0 GiB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_an_id_is_cut_to_the_end_of_its_run_and_keeps_what_is_below() -> None:
    run = "01a209e30dab71248c4fafd6a47254d0"
    assert short(run) == "a47254d0"
    assert short(f"{run}.3.1:before:0") == "a47254d0.3.1:before:0"
    assert short(f"{run}:plan:1") == "a47254d0:plan:1"


def test_text_of_others_cannot_steer_a_terminal() -> None:
    assert "\x1b" not in clean("\x1b[2Jred")
    assert clean("a\tb\nc") == "a\tb\nc"
    assert "\u202e" not in clean("a\u202eb")


def test_long_text_is_cut_to_a_line() -> None:
    assert line_of("a\n  b  c") == "a b c"
    assert line_of("x" * 30, 10) == "x" * 9 + "…"
    assert last_lines("1\n2\n3\n\n", 2) == ["2", "3"]


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (Usage(), None),
        (Usage(seconds=3), None),
        (Usage(prompt_tokens=12_345, completion_tokens=678), "12 345 tokens read, 678 tokens written"),
        (Usage(prompt_tokens=1, completion_tokens=0, usd=0.00012), "1 tokens read, 0 tokens written, $0.0001"),
        (Usage(usd=12.345), "$12.35"),
        (Usage(usd=0.5, unpriced=1), "at least $0.5000 (1 call without a known price)"),
        (Usage(prompt_tokens=9, usd=2, unpriced=3), "9 tokens read, at least $2.00 (3 calls without a known price)"),
        (Usage(unpriced=2), None),
    ],
)
def test_what_models_cost_as_far_as_it_is_known(usage: Usage, text: str | None) -> None:
    assert spent(usage) == text

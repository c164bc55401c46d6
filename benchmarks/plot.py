"""Plots as SVG, written here: bars with their rounds and the limit that they should meet, and lines over a logarithmic axis."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from xml.sax.saxutils import escape

from benchmarks.figures import Bar, number

WIDTH, LEFT, RIGHT, TOP = 900, 300, 120, 64
ROW, THICK = 30, 16
HIGH, LINES_LEFT, LINES_RIGHT, LINES_BOTTOM = 300, 76, 190, 54
OURS, OTHER, LIMIT, INK, QUIET, GRID = "#1a7f37", "#8c959f", "#cf222e", "#1f2328", "#59636e", "#d1d9e0"
COLOURS = ("#1a7f37", "#0969da", "#bc4c00", "#8250df", "#bf3989", "#4d2d00")
FONT = "ui-sans-serif,system-ui,Segoe UI,Helvetica,Arial,sans-serif"

Draw = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: the median, with a dot for each round. `ours` tells it from what it is compared with."""

    label: str
    samples: tuple[float, ...]
    bar: Bar | None = None
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Bars:
    """Values side by side."""

    title: str
    unit: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One series: what was found at each place, by the rounds."""

    label: str
    points: tuple[tuple[float, tuple[float, ...]], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Values over sizes, which are drawn by their logarithm; `steep`: so are the values, which differ by far."""

    title: str
    unit: str
    sizes: str
    lines: tuple[Line, ...]
    steep: bool = False


Plot = Bars | Lines


def svg(plot: Plot) -> str:
    """The plot as a document, with its numbers as text in it."""
    return _bars(plot) if isinstance(plot, Bars) else _lines(plot)


def _bars(plot: Bars) -> str:
    most = max((max(*row.samples, row.bar.limit if row.bar else 0) for row in plot.rows), default=1) or 1
    room = WIDTH - LEFT - RIGHT
    parts = [_text(LEFT, 42, plot.unit, fill=QUIET)]
    for place, row in enumerate(plot.rows):
        top = TOP + place * ROW
        middle, value = top + THICK / 2, median(row.samples)
        colour = OURS if row.ours else OTHER
        parts += [
            _text(LEFT - 10, middle + 4, row.label, anchor="end"),
            f'<rect x="{LEFT}" y="{top}" width="{max(1.0, room * value / most):.1f}" height="{THICK}" rx="2" fill="{colour}"/>',
            *(f'<circle cx="{LEFT + room * one / most:.1f}" cy="{middle}" r="2.4" fill="{INK}"/>' for one in row.samples),
        ]
        end = LEFT + room * max(row.samples) / most
        if row.bar:
            at = LEFT + room * row.bar.limit / most
            parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top - 5}" y2="{top + THICK + 5}" stroke="{LIMIT}" stroke-width="2"/>')
            end = max(end, at)
        said = number(value) + (f" ({row.bar})" if row.bar else "")
        missed = row.bar is not None and not row.bar.met_by(value)
        parts.append(_text(end + 8, middle + 4, said, fill=LIMIT if missed else INK))
    return _document(plot.title, TOP + len(plot.rows) * ROW + 8, parts)


def _lines(plot: Lines) -> str:
    values = [one for line in plot.lines for _, samples in line.points for one in samples]
    least, most = (min(values) / 1.2 if plot.steep else 0.0), (max(values) * 1.1 or 1.0)
    places = sorted({place for line in plot.lines for place, _ in line.points})
    across, down = _across(places), _down(least, most)
    bottom = TOP + HIGH
    parts = [_text(LINES_LEFT, 42, plot.unit, fill=QUIET), _text(WIDTH - LINES_RIGHT, bottom + 42, plot.sizes, fill=QUIET, anchor="end")]
    for tick in _steep_ticks(least, most) if plot.steep else _ticks(most):
        parts.append(f'<line x1="{LINES_LEFT}" x2="{WIDTH - LINES_RIGHT}" y1="{down(tick):.1f}" y2="{down(tick):.1f}" stroke="{GRID}"/>')
        parts.append(_text(LINES_LEFT - 8, down(tick) + 4, number(tick) if tick else "0", anchor="end", fill=QUIET))
    parts += [_text(across(place), bottom + 22, f"{place:,.0f}".replace(",", " "), anchor="middle", fill=QUIET) for place in places]
    taken: list[float] = []
    for line, colour in zip(plot.lines, COLOURS, strict=False):
        ends = [(across(place), down(median(samples))) for place, samples in line.points]
        parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in ends)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        dots = [(across(place), down(one)) for place, samples in line.points for one in samples]
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>' for x, y in dots]
        said = f"{line.label}: {number(median(line.points[-1][1]))}"
        parts.append(_text(WIDTH - LINES_RIGHT + 8, _free(ends[-1][1] + 4, taken), said, fill=colour))
    return _document(plot.title, bottom + LINES_BOTTOM, parts)


def _across(places: Sequence[float]) -> Draw:
    first, last = math.log10(places[0]), math.log10(places[-1])
    room = WIDTH - LINES_LEFT - LINES_RIGHT - 40
    return lambda place: LINES_LEFT + 20 + room * (math.log10(place) - first) / ((last - first) or 1)


def _down(least: float, most: float) -> Draw:
    """From `least`, by the logarithm, or from 0."""
    if least:
        return lambda value: TOP + HIGH * (1 - math.log(value / least) / math.log(most / least))
    return lambda value: TOP + HIGH * (1 - value / most)


def _ticks(most: float) -> list[float]:
    """Four or five round numbers from 0."""
    rough = most / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * place for place in range(int(most / step) + 1)]


def _steep_ticks(least: float, most: float) -> list[float]:
    """1, 2 and 5 of each power of ten between the two."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    return [tick for power in powers for factor in (1, 2, 5) if least <= (tick := factor * 10.0**power) <= most]


def _free(wanted: float, taken: list[float]) -> float:
    """The nearest place below where no other label stands."""
    while any(abs(wanted - other) < 15 for other in taken):
        wanted += 15
    taken.append(wanted)
    return wanted


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'


def _document(title: str, height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-family="{FONT}" font-size="13" role="img" '
    head += f'aria-labelledby="t"><title id="t">{escape(title)}</title><rect width="{WIDTH}" height="{height:.0f}" rx="12" fill="#ffffff"/>'
    name = f'<text x="20" y="24" font-size="15" font-weight="600" fill="{INK}">{escape(title)}</text>'
    return "\n".join([head, name, *parts, "</svg>", ""])

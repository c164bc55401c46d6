"""Where output goes: for people on stdout, or one JSON document there and nothing else; what went wrong on stderr."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from taskgrove.cli.text import clean

PLAIN_WIDTH = 180
LEAST_REST = 40


class _Console(Console):
    """A terminal that only rich steers: whatever is printed, by whichever way, titles and names of others are among it.

    That whoever read has gone is an error like any other: rich would end the process, wherever in it that is noticed.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(clean(segment.text), segment.style)


class Screen:
    """One command's output. `as_json` silences all that is for people."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        terminal = sys.stdout.isatty()
        self.console = _Console(markup=False, highlight=False, emoji=False, width=None if terminal else PLAIN_WIDTH, quiet=as_json)

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees this and can answer."""
        return not self.as_json and self.console.is_terminal and sys.stdin.isatty()

    def say(self, text: str | Text = "", *, style: str = "") -> None:
        """A line for people."""
        self.console.print(Text(text, style=style) if isinstance(text, str) else text, soft_wrap=True)

    def show(self, what: RenderableType) -> None:
        """A tree or a table for people."""
        self.console.print(what)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        """Columns for people; a line each where there is no room. The first holds ids, which have to be typed: they are never cut."""
        cells = [[Text(clean(cell)) if isinstance(cell, str) else cell for cell in row] for row in rows]
        if any(len(row[0]) + LEAST_REST > self.console.width for row in cells):
            for row in cells:
                self.say(Text("  ").join(row))
            return
        table = Table(Column(headings[0], no_wrap=True), *headings[1:], box=None, pad_edge=False, header_style="bold")
        for row in cells:
            table.add_row(*row)
        self.console.print(table)

    def document(self, value: Any) -> None:
        """The JSON document, if JSON was asked for."""
        if self.as_json:
            write_json(value, indent=True)

    def json_line(self, value: Any) -> None:
        """One line of JSON, if JSON was asked for."""
        if self.as_json:
            write_json(value, indent=False)

    def warn(self, text: str) -> None:
        """A line on stderr."""
        sys.stderr.write(f"{clean(text)}\n")
        sys.stderr.flush()


def write_json(value: Any, *, indent: bool) -> None:
    """JSON on stdout, followed by a newline."""
    options = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    sys.stdout.write(orjson.dumps(value, default=_plain, option=options).decode())
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    return value.wire() if hasattr(value, "wire") else str(value)

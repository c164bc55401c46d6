"""Nothing grows unnoticed: files, functions, handlers and signatures have a budget."""

import statistics

from tests.house.sources import Function, length, sources

FILE, MEDIAN_FILE = 300, 100
FUNCTION, MOST_FUNCTIONS = 60, 35
HANDLER = 25
POSITIONAL = 3


def positional(function: Function) -> int:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def test_files() -> None:
    assert [f"{source.name}: {source.lines} lines" for source in sources() if source.lines > FILE] == []
    assert statistics.median(source.lines for source in sources()) <= MEDIAN_FILE


def test_functions() -> None:
    lengths = {f"{source.name}: {function.name}": length(function) for source in sources() for function in source.functions()}
    assert [f"{name} has {lines} lines" for name, lines in lengths.items() if lines > FUNCTION] == []
    assert statistics.quantiles(lengths.values(), n=20)[-1] <= MOST_FUNCTIONS


def test_handlers() -> None:
    handlers = {
        f"{source.name}: {function.name}": length(function)
        for source in sources()
        if source.path.stem.startswith("handlers") or source.path.parent.name == "handlers"
        for function in source.functions()
        if function.name.startswith("on_")
    }
    assert handlers
    assert [f"{name} has {lines} lines" for name, lines in handlers.items() if lines > HANDLER] == []


def test_positional_parameters() -> None:
    many = [
        f"{source.name}: {function.name}" for source in sources() for function in source.functions() if positional(function) > POSITIONAL
    ]
    assert many == [], f"more than {POSITIONAL} positional parameters; make the rest keyword-only"


def test_returns_are_annotated() -> None:
    assert [f"{source.name}: {function.name}" for source in sources() for function in source.functions() if function.returns is None] == []


def test_every_file_says_why_it_exists() -> None:
    """In its first line, and in one line that ends as a sentence does."""
    silent = [
        source.name
        for source in sources()
        if not source.text.removeprefix("#!/usr/bin/env python3\n").startswith('"""')
        or not source.text.split('"""')[1].splitlines()[0].strip().endswith((".", ":", "?", "…"))
    ]
    assert silent == []

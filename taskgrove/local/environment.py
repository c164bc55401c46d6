"""Variables for a while: services read their settings from the environment, whoever starts them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def environment(given: Mapping[str, str]) -> Iterator[None]:
    """These variables for this process and those that it starts, while the block lasts."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

"""Prompts are files: jinja2 templates in the folder `prompts` of a service, known by their hash."""

import hashlib
from pathlib import Path
from typing import Any


class Prompts:
    """The templates of one folder. A value that a template names and nobody gives is an error, never an empty place."""

    def __init__(self, folder: Path) -> None:
        from jinja2 import FileSystemLoader, StrictUndefined  # noqa: PLC0415 (paid for only where a model is configured)
        from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415

        self._folder = folder
        self._environment = SandboxedEnvironment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            autoescape=False,  # a prompt is no HTML; what is not ours is fenced
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, **values: Any) -> str:
        """The template with these values in it; the values themselves are never templates."""
        return self._environment.get_template(name).render(**values)

    def hash(self, *names: str) -> str:
        """SHA-256 over these templates, as hex digits: which prompt an answer came from."""
        digest = hashlib.sha256()
        for name in names:
            digest.update((self._folder / name).read_bytes() + b"\0")
        return digest.hexdigest()

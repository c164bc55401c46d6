"""The check `contains`: a text or regular expression that must be found."""

import asyncio
import mmap
import re
from functools import partial
from pathlib import Path

from services.checker.checks.base import MOST_BYTES, Check, Subject, Tools, apart, judged, there_are
from shared.artifacts import files_in, matching
from shared.catalogue.checks import CheckParams, ContainsCheck
from shared.contracts.checker import Evidence
from shared.errors import BadInput

SHOWN = 200


class Contains(Check):
    """Looks in the files that match `path`, or in the summary. An expression runs in a process of its own: some never come back."""

    kind = "contains"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        """Passed when it is found in any of them."""
        check = ContainsCheck.model_validate(params)
        wanted = repr(check.text) if check.text is not None else f"/{check.pattern}/"
        title = f"contains: {wanted[:SHOWN]} in {check.path or 'the summary'}"
        return await judged(title, self._look(check, subject))

    async def _look(self, check: ContainsCheck, subject: Subject) -> tuple[bool, str]:
        if check.path is None:
            found = await self._in_text(check, subject.result.summary)
            return found, "found" if found else f"the summary is: {subject.result.summary[:SHOWN]!r}"
        directory = await subject.files()
        files = await asyncio.to_thread(_files, directory, check.path)
        if not files:
            return False, f"no file matches {check.path}; {await asyncio.to_thread(there_are, directory, check.path)}"
        for name, path in files.items():
            if await self._in_file(check, path, name=name):
                return True, f"found in {name}"
        return False, f"not found in {', '.join(list(files)[:20])}"

    async def _in_file(self, check: ContainsCheck, path: Path, *, name: str) -> bool:
        if check.text is not None:
            return await asyncio.to_thread(_has, path, check.text.encode())
        text = await asyncio.to_thread(_read, path)
        if text is None:
            raise BadInput(f"{name} is larger than the {MOST_BYTES} bytes that an expression is tried on; look for a text instead")
        return await self._in_text(check, text)

    async def _in_text(self, check: ContainsCheck, text: str) -> bool:
        if check.pattern is None:
            return str(check.text) in text
        return await apart(self._tools.pool, partial(found_by, check.pattern, text), what="the expression")


def found_by(pattern: str, text: str) -> bool:
    """Whether the expression is found anywhere; `^` and `$` stand for lines."""
    return re.search(pattern, text, re.MULTILINE) is not None


def _files(directory: Path, glob: str) -> dict[str, Path]:
    paths = {file.name: file.path for file in files_in(directory, hidden=True)}
    return {name: paths[name] for name in matching(paths, [glob])}


def _has(path: Path, text: bytes) -> bool:
    """By a memory map, so that size does not matter."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(text) >= 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= MOST_BYTES else None

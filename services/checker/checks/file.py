"""The check `file`: a file that must exist, with something in it."""

import asyncio
from pathlib import Path

from services.checker.checks.base import Check, Subject, judged, there_are
from shared.artifacts import files_in, matching
from shared.catalogue.checks import CheckParams, FileCheck
from shared.contracts.checker import Evidence


class FileExists(Check):
    """Passed when a file that matches has at least the bytes that are asked for."""

    kind = "file"

    async def judge(self, params: CheckParams, subject: Subject) -> Evidence:
        """Names what was found, or what there is instead."""
        check = FileCheck.model_validate(params)
        return await judged(f"file: {check.path}", _found(check, subject))


async def _found(check: FileCheck, subject: Subject) -> tuple[bool, str]:
    return await asyncio.to_thread(_look, check, await subject.files())


def _look(check: FileCheck, directory: Path) -> tuple[bool, str]:
    sizes = {file.name: file.size for file in files_in(directory, hidden=True)}
    found = {name: sizes[name] for name in matching(sizes, [check.path])}
    if not found:
        return False, f"no file matches {check.path}; {there_are(directory, check.path)}"
    name, size = max(found.items(), key=lambda item: item[1])
    if size < check.min_bytes:
        return False, f"{name} has {size} bytes, fewer than {check.min_bytes}"
    return True, f"{name} has {size} bytes" + (f"; {len(found)} files match" if len(found) > 1 else "")

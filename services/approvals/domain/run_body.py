"""A run document in the body of a request: where its documents lie is found first, then each is parsed when it is wanted.

All of them parsed take seven times the memory of the body, and a large one has a hundred megabytes.
"""

import re
from array import array
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import BadInput, LimitExceeded

LARGEST_DOC = 12 * 1024 * 1024
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\[\]]', re.DOTALL)
QUOTE, OPENING = ord('"'), b"{["
TOP, SLICES, SLICE, DOCUMENT = 1, 2, 3, 4
"""How deep something lies in the document."""


class RunDocument(BaseModel):
    """`GET /tasks/{id}/export` gives it, `POST /imports` takes it."""

    model_config = ConfigDict(extra="ignore")

    taskgrove: str
    runId: str = Field(pattern="^[A-Za-z0-9_-]{1,64}$")  # noqa: N815 (as it stands in the JSON)
    slices: dict[str, list[dict[str, Any]]]


class RunBody:
    """What was sent. Raises BadInput for what is no run document; its documents are looked at as they are parsed.

    `run` has the names of the slices, not what they hold. What else the document says, as its tree, is not looked at.
    """

    def __init__(self, body: bytes | bytearray) -> None:
        self._body = memoryview(body)
        scanner = _Scanner(body)
        self._spans = scanner.spans
        try:
            self.run = RunDocument.model_validate(orjson.loads(scanner.outline()))
        except orjson.JSONDecodeError as error:
            raise BadInput(f"body: is no JSON: {error.msg}") from error
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise BadInput(f"{where or 'body'}: {error.errors()[0]['msg']}") from error

    def count(self, name: str) -> int:
        """How many documents a slice has."""
        return len(self._spans.get(name, ())) // 2

    def docs(self, name: str) -> Iterator[dict[str, Any]]:
        """The documents of a slice. Raises BadInput, and LimitExceeded for one that no store would take."""
        for position in range(self.count(name)):
            yield self.doc(name, position)

    def doc(self, name: str, position: int) -> dict[str, Any]:
        """One of them."""
        start, end = self._spans[name][2 * position : 2 * position + 2]
        try:
            doc = orjson.loads(self._body[start:end])
        except orjson.JSONDecodeError as error:
            raise BadInput(f"slices.{name}.{position}: is no JSON: {error.msg}") from error
        if not isinstance(doc, dict):
            raise BadInput(f"slices.{name}.{position}: is no object")
        if end - start > LARGEST_DOC and (size := len(orjson.dumps(doc))) > LARGEST_DOC:
            raise LimitExceeded(f"slices.{name}.{position} has {size} bytes, more than the {LARGEST_DOC} that one document may have")
        return doc


class _Scanner:
    """Goes through the body once. What is cut out of the outline is parsed by itself later, or not wanted; the rest must be JSON."""

    def __init__(self, body: bytes | bytearray) -> None:
        self.spans: dict[str, array[int]] = {}
        self._body = body
        self._outline: list[bytes | bytearray] = []
        self._rest = 0
        self._key = (0, 0)
        self._name = ""
        self._in_slices = False
        self._scan()

    def outline(self) -> bytes:
        """The body with empty slices, and null for what is neither a slice nor plain."""
        return b"".join((*self._outline, self._body[self._rest :]))

    def _scan(self) -> None:
        body, depth = self._body, 0
        for token in TOKEN.finditer(body):
            start = token.start()
            first = body[start]
            if first == QUOTE:
                if depth in (TOP, SLICES):
                    self._key = token.span()
            elif first in OPENING:
                depth += 1
                if depth <= DOCUMENT:
                    self._open(depth, start)
            else:
                if depth <= DOCUMENT:
                    self._close(depth, start)
                depth -= 1

    def _open(self, depth: int, start: int) -> None:
        if depth == SLICES:
            self._in_slices = self._body[slice(*self._key)] == b'"slices"'
            if not self._in_slices:
                self._cut(start)
        elif depth == SLICE and self._in_slices:
            try:
                self._name = str(orjson.loads(self._body[slice(*self._key)]))
            except orjson.JSONDecodeError as error:
                raise BadInput(f"slices: the name of one is no JSON: {error.msg}") from error
            self.spans[self._name] = array("Q")
            self._cut(start + 1)
        elif depth == DOCUMENT and self._in_slices:
            self._check_between(start, b"," if self.spans[self._name] else b"")
            self.spans[self._name].append(start)

    def _close(self, depth: int, start: int) -> None:
        if depth == SLICES and not self._in_slices:
            self._outline.append(b"null")
            self._rest = start + 1
        elif depth == SLICE and self._in_slices:
            self._check_between(start, b"")
            self._rest = start
        elif depth == DOCUMENT and self._in_slices:
            self.spans[self._name].append(start + 1)

    def _cut(self, start: int) -> None:
        self._outline.append(self._body[self._rest : start])
        self._rest = start

    def _check_between(self, start: int, wanted: bytes) -> None:
        """Between two documents is a comma, and nothing else."""
        spans = self.spans[self._name]
        between = self._body[spans[-1] if spans else self._rest : start]
        if between.strip() != wanted:
            raise BadInput(f"slices.{self._name}.{len(spans) // 2}: is no object, or no comma is before it")

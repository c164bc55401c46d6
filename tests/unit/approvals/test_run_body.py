"""The documents of a run are found in its JSON without parsing all of it, whatever it looks like."""

import json
from typing import Any

import pytest

from services.approvals.domain.run_body import LARGEST_DOC, RunBody
from shared.errors import BadInput, LimitExceeded

DOCS: list[dict[str, Any]] = [
    {},
    {"_id": 'a"b', "text": '}]{[,"slices":[\\"', "deep": [[{"x": [{}, []]}], {"é": "ü\u2028😀"}]},
    {"_id": "\\", "slices": {"tasks": [{"_id": "none"}]}, "end": "\\\\"},
]


def body(slices: Any, **more: Any) -> dict[str, Any]:
    return {
        "tree": {"slices": [{"tasks": [1]}], "t": "}"},
        "taskgrove": "run/1",
        "runId": "r",
        "list": [[{}]],
        **more,
        "slices": slices,
        "n": 1,
    }


def found(text: str | bytes) -> dict[str, Any]:
    one = RunBody(bytearray(text.encode() if isinstance(text, str) else text))
    return {name: list(one.docs(name)) for name in one.run.slices}


@pytest.mark.parametrize("indent", [None, 3])
@pytest.mark.parametrize("ascii_", [True, False])
def test_documents_are_those_that_a_parser_finds(indent: int | None, ascii_: bool) -> None:
    slices = {"tasks": DOCS, "attempts": [], 'ver"di}cts': DOCS[:1]}
    text = json.dumps(body(slices), indent=indent, ensure_ascii=ascii_)
    assert found(text) == slices
    one = RunBody(text.encode())
    assert (one.run.runId, one.run.slices.keys(), one.count("tasks"), one.doc("tasks", 2)) == ("r", slices.keys(), 3, DOCS[2])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"',
        '{"taskgrove":"run/1","runId":"r"}',
        '{"taskgrove":"run/1","runId":"r/","slices":{}}',
        '{"taskgrove":{},"runId":"r","slices":{}}',
        '{"taskgrove":"run/1","runId":"r","slices":[[{}]]}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":{"a":{}}}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[{}}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[{}]}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[{}]}}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[{}{}]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[{},]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[,{}]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[1]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":["a",{}]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[[]]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[{"a"}]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[{"a":"x]}]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{[{}]}}',
        '{"taskgrove":"run/1","runId":"r","slices":{"tasks":[{]]}}',
        "}" * 9 + "{" * 9 + '"\\' * 9,
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        found(text)


def test_a_document_that_no_store_takes_is_refused() -> None:
    with pytest.raises(LimitExceeded, match=r"slices\.tasks\.1 has"):
        found(json.dumps(body({"tasks": [{}, {"text": "x" * LARGEST_DOC}]})))

"""From what a person types to an id."""

from collections.abc import Sequence

import httpx2
import pytest

from shared.errors import BadInput, NotFound
from taskgrove.cli import resolve
from taskgrove.client import Client
from tests.unit.cli.views import approval, task

OLD, NEW = "01a209e30dab71248c4fafd6a47254d0", "01a209e30dab71248c4fafd6bbbb54d1"


def client_with(*runs: str) -> Client:
    items = [task("").model_copy(update={"task_id": run, "run_id": run}).wire() for run in runs]
    return Client(
        "http://grove.test", transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json={"items": items, "nextCursor": None}))
    )


@pytest.mark.parametrize(("typed", "meant"), [("last", NEW), ("54d0", OLD), ("bbbb54d1", NEW), (OLD, OLD), ("A47254D0", OLD)])
async def test_a_run_is_found_by_a_part_of_its_id(typed: str, meant: str) -> None:
    async with client_with(NEW, OLD) as client:
        assert await resolve.run_id(client, typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"), [("Nightly-7", "Nightly-7"), ("nightly-7", "nightly-7"), ("NIGHTLY-8", "Nightly-8"), ("LY-8", "Nightly-8")]
)
async def test_a_run_may_be_called_anything(typed: str, meant: str) -> None:
    async with client_with("Nightly-8", "Nightly-7", "nightly-7") as client:
        assert await resolve.run_id(client, typed) == meant
        assert await resolve.approval_id(client, f"{typed}.2", of=[f"{meant}.2:before:0", f"{NEW}.2:before:0"]) == f"{meant}.2:before:0"


async def test_a_task_is_named_below_its_run() -> None:
    async with client_with(NEW, OLD) as client:
        assert await resolve.task_id(client, "last.2.1") == f"{NEW}.2.1"


@pytest.mark.parametrize(
    ("typed", "kind", "message"),
    [
        ("01a2", BadInput, "fits 2 of them: bbbb54d1, a47254d0"),
        ("d0", BadInput, "at least 4 characters"),
        ("ffff", NotFound, "there is no run 'ffff'; `taskgrove status` lists them"),
    ],
)
async def test_a_run_that_is_not_clear_is_refused_with_the_way_out(typed: str, kind: type[Exception], message: str) -> None:
    async with client_with(NEW, OLD) as client:
        with pytest.raises(kind, match=message):
            await resolve.run_id(client, typed)


async def test_last_of_nothing_says_how_to_begin() -> None:
    async with client_with() as client:
        with pytest.raises(NotFound, match="taskgrove run"):
            await resolve.run_id(client, "last")


def open_questions() -> Sequence[str]:
    return [approval("2").approval_id, f"{OLD}.2.1:escalation:3", f"{NEW}:plan:0"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (f"{OLD}.2:before:0", f"{OLD}.2:before:0"),
        ("a47254d0.2", f"{OLD}.2:before:0"),
        ("a47254d0.2.1:escalation", f"{OLD}.2.1:escalation:3"),
        ("bbbb54d1", f"{NEW}:plan:0"),
        ("last", f"{NEW}:plan:0"),
    ],
)
async def test_a_question_is_found_by_its_task_or_run(typed: str, meant: str) -> None:
    async with client_with(NEW, OLD) as client:
        assert await resolve.approval_id(client, typed, of=open_questions()) == meant


@pytest.mark.parametrize(("typed", "kind"), [("a47254d0", BadInput), ("d0.2", BadInput), ("a47254d0.9", NotFound), ("", BadInput)])
async def test_a_question_that_is_not_clear_is_refused(typed: str, kind: type[Exception]) -> None:
    async with client_with(NEW, OLD) as client:
        with pytest.raises(kind):
            await resolve.approval_id(client, typed, of=open_questions())

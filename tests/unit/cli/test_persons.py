"""Acting as a named person: keys are made once, kept for their owner only, and made anew where a group is missing."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.errors import BadInput
from taskgrove.cli.persons import PersonClients
from taskgrove.cli.place import Place
from taskgrove.client import Client


class Desk:
    """The principals of a Taskgrove, over HTTP."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.made = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        name = request.url.path.rpartition("/")[2]
        if name == "whoami":
            mine = [one for one in self.people.values() if request.headers["authorization"] == f"Bearer {one['key']}"]
            return httpx2.Response(200, json={"name": mine[0]["name"]}) if mine else httpx2.Response(401, json={"status": 401})
        if request.method == "GET":
            admin = request.headers["authorization"] == "Bearer tg_admin"
            return httpx2.Response(200 if admin else 403, json={"items": list(self.people.values()), "status": 403})
        if request.method == "DELETE":
            return httpx2.Response(204 if self.people.pop(name, None) else 404)
        body = json.loads(request.content)
        if body["name"] in self.people:
            return httpx2.Response(409, json={"title": "Conflict", "status": 409, "detail": "taken"})
        self.made += 1
        self.people[body["name"]] = {**body, "key": f"tg_{self.made}"}
        return httpx2.Response(201, json=self.people[body["name"]])


def persons(desk: Desk, home: Path, *, key: str = "tg_admin") -> PersonClients:
    def connect(key: str) -> Client:
        return Client("http://127.0.0.1:1", key=key, transport=httpx2.MockTransport(desk))

    return PersonClients(Place("http://127.0.0.1:1", key, home=home), connect(key), say=print, connect=connect)


async def test_a_person_is_made_once_with_the_groups_that_are_asked(tmp_path: Path) -> None:
    desk = Desk()
    async with persons(desk, tmp_path) as people:
        first = await people.of("ann", groups=["release"])
        assert await people.of("ann", groups=["release"]) is first
        assert await people.of("ann", groups=["ann", "boss"]) is first, "who is named needs no group"
    assert desk.people["ann"]["roles"] == ["approver"]
    assert desk.people["ann"]["groups"] == ["release"]
    assert desk.made == 1


async def test_a_missing_group_makes_a_new_key_and_who_is_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk()
    async with persons(desk, tmp_path) as people:
        for groups in (["release"], ["boss"], ["boss"]):
            await people.of("ann", groups=groups)
        await people.of("pat", groups=[])
    assert (desk.people["ann"]["groups"], desk.made) == (["boss", "release"], 3)
    told = capsys.readouterr().out.splitlines()
    assert told == ["ann is new here, in group release", "ann is now in groups boss, release", "pat is new here, in no group"]


async def test_nobody_answers_in_the_place_of_a_person_who_is_asked_by_name(tmp_path: Path) -> None:
    desk = Desk()
    async with persons(desk, tmp_path) as people:
        await people.of("zed", groups=["ann"])
        await people.of("ann", groups=["ann"])
        for name in ("zed", "yet"):
            with pytest.raises(BadInput, match=f"this asks ann, and not {name}"):
                await people.of(name, groups=["ann"])
        await people.of("zed", groups=["ann", "release"])
    assert desk.people["zed"]["groups"] == ["release"], "not in the group that has a person's name by now"
    assert set(desk.people) == {"ann", "zed"}


async def test_who_was_made_here_answers_without_the_admin_key(tmp_path: Path) -> None:
    desk = Desk()
    async with persons(desk, tmp_path) as people:
        await people.of("ann", groups=["release"])
    async with persons(desk, tmp_path, key="tg_viewer") as people:
        assert (await (await people.of("ann", groups=["release"])).whoami())["name"] == "ann"


async def test_keys_are_kept_for_their_owner_only(tmp_path: Path) -> None:
    async with persons(Desk(), tmp_path) as people:
        await people.of("ann", groups=[])
    assert (tmp_path / "people.json").stat().st_mode & 0o777 == 0o600


async def test_a_person_whose_key_is_not_here_is_not_taken_over(tmp_path: Path) -> None:
    desk = Desk()
    desk.people["boss"] = {"name": "boss", "key": "tg_theirs"}
    async with persons(desk, tmp_path) as people:
        with pytest.raises(BadInput, match="set TASKGROVE_KEY"):
            await people.of("boss", groups=[])
    assert desk.people["boss"]["key"] == "tg_theirs"


async def test_a_name_that_is_somebody_elses_by_now_stays_theirs(tmp_path: Path) -> None:
    desk = Desk()
    async with persons(desk, tmp_path) as people:
        await people.of("pat", groups=["release"])
    desk.people["pat"] = {"name": "pat", "key": "tg_theirs"}  # an admin deleted ours, and let the real one in
    async with persons(desk, tmp_path) as people:
        for groups in (["release"], ["boss"]):
            with pytest.raises(BadInput, match="set TASKGROVE_KEY"):
                await people.of("pat", groups=groups)
    assert desk.people["pat"]["key"] == "tg_theirs"
    del desk.people["pat"]
    async with persons(desk, tmp_path) as people:
        await people.of("pat", groups=["boss"])
    assert desk.people["pat"]["groups"] == ["boss"], "where nobody has the name, it can be had again"

"""Who may call what: every route that there is, with every role, and without a key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from services.approvals.api.gate import OPEN
from services.approvals.first_keys import put_first_keys, read_first_keys
from services.approvals.web.pages import is_open, is_page
from shared.errors import BadInput
from tests.unit.approvals.desk import Desk

EVERYONE = {"ada", "sue", "pat", "vic"}
ALLOWED = {
    ("POST", "/tasks"): {"ada", "sue"},
    ("PUT", "/tasks/{task_id}"): {"ada", "sue", "pat"},
    ("GET", "/tasks"): EVERYONE,
    ("GET", "/tasks/{task_id}"): EVERYONE,
    ("GET", "/tasks/{task_id}/rerun"): EVERYONE,
    ("GET", "/tasks/{task_id}/sequence"): EVERYONE,
    ("GET", "/tasks/{task_id}/plan"): EVERYONE,
    ("GET", "/tasks/{task_id}/events"): EVERYONE,
    ("GET", "/tasks/{task_id}/export"): EVERYONE,
    ("POST", "/imports"): {"ada"},
    ("GET", "/approvals"): EVERYONE,
    ("GET", "/approvals/{approval_id}"): EVERYONE,
    ("POST", "/approvals"): {"ada", "pat"},
    ("GET", "/audit"): {"ada"},
    ("GET", "/audit/state"): {"ada"},
    ("GET", "/logs"): EVERYONE,
    ("GET", "/artifacts/{sha256}"): EVERYONE,
    ("GET", "/quarantine"): {"ada"},
    ("GET", "/quarantine/{quarantine_id:path}"): {"ada"},
    ("POST", "/quarantine/{quarantine_id:path}/replay"): {"ada"},
    ("DELETE", "/quarantine/{quarantine_id:path}"): {"ada"},
    ("GET", "/principals"): {"ada"},
    ("POST", "/principals"): {"ada"},
    ("DELETE", "/principals/{name}"): {"ada"},
    ("POST", "/links"): EVERYONE,
    ("GET", "/whoami"): EVERYONE,
}


def routes(app: Any) -> Iterator[tuple[str, str]]:
    """Every (method, path) of the API, but what is open to all. Pages have a table of their own."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(route.methods or {"ANY"}):
            if route.path not in OPEN and not is_page(route.path) and not is_open(route.path):
                yield method, str(route.path)


class TestAccess:
    async def test_every_route_is_in_the_table(self, desk: Desk) -> None:
        assert set(routes(desk.app)) == set(ALLOWED)

    async def test_every_route_with_every_role(self, desk: Desk) -> None:
        for (method, path), allowed in ALLOWED.items():
            url = path.replace("{task_id}", "t").replace("{quarantine_id:path}", "q").replace("{name}", "n")
            bare = await desk.as_(None).request(method, url)
            assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer"), (method, path)
            for name in EVERYONE:
                answer = await desk.as_(name).request(method, url, json={} if method in ("POST", "PUT") else None)
                assert (answer.status_code == 403) == (name not in allowed), (method, path, name, answer.text)
                assert answer.status_code != 500, (method, path, name)

    async def test_answers_are_safe_and_errors_are_problems(self, desk: Desk) -> None:
        for client, method, url, status in (
            (desk.as_("vic"), "GET", "/nowhere", 404),
            (desk.as_(None), "GET", "/nowhere", 401),
            (desk.as_("vic"), "DELETE", "/tasks", 405),
            (desk.as_("vic"), "GET", "/tasks?limit=0", 422),
            (desk.as_("vic"), "GET", "/tasks/none", 404),
            (desk.as_("vic"), "GET", "/tasks", 200),
            (desk.as_(None), "GET", "/openapi.json", 200),
        ):
            answer = await client.request(method, url)
            assert answer.status_code == status, url
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            if status >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json().keys() >= {"title", "status", "detail", "instance"}
        assert (await desk.as_("vic").get("/tasks?limit=0")).json()["errors"][0]["field"] == "limit"
        assert (await desk.as_("vic").request("HEAD", "/tasks")).headers["x-content-type-options"] == "nosniff"

    async def test_a_bug_is_a_problem_without_a_trace(self, desk: Desk) -> None:
        await desk.put("tasks", {"_id": "broken", "run_id": "broken", "parent_id": "x"})
        answer = await desk.as_("vic").get("/tasks/broken")
        assert answer.status_code == 500
        assert "Traceback" not in answer.text
        assert "KeyError" not in answer.text

    @pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer tg_unknown", "Bearer " + "x" * 5_000, "tg_x"])
    async def test_no_other_key_opens(self, desk: Desk, header: str) -> None:
        answer = await desk.as_(None).get("/whoami", headers={"Authorization": header})
        assert answer.status_code == 401

    async def test_keys_are_made_and_taken_away(self, desk: Desk) -> None:
        body = {"name": "new.one", "roles": ["viewer"], "groups": ["release"]}
        made = await desk.as_("ada").post("/principals", json=body)
        assert made.status_code == 201
        key = made.json()["key"]
        assert key.startswith("tg_")
        headers = {"Authorization": f"Bearer {key}"}
        assert (await desk.as_(None).get("/whoami", headers=headers)).json() == {
            "name": "new.one",
            "roles": ["viewer"],
            "groups": ["release"],
            "model": True,
        }
        assert (await desk.as_("ada").post("/principals", json=body)).status_code == 409
        listed = (await desk.as_("ada").get("/principals")).text
        assert "new.one" in listed
        assert key not in listed
        assert (await desk.as_("ada").delete("/principals/new.one")).status_code == 204
        assert (await desk.as_(None).get("/whoami", headers=headers)).status_code == 401
        assert (await desk.as_("ada").delete("/principals/ada")).status_code == 409
        assert key not in json.dumps(await desk.docs("principals") + await desk.docs("audit"), default=str)
        whats = [entry["what"] for entry in await desk.docs("audit", subject="new.one")]
        assert whats == ["principal.create", "principal.create", "principal.create.refused", "principal.delete"]

    async def test_roles_and_names_are_checked(self, desk: Desk) -> None:
        for body, word in (
            ({"name": "x y", "roles": ["viewer"]}, "cannot be a name"),
            ({"name": "x", "roles": ["viewr"]}, "no such role"),
            ({"name": "x", "roles": []}, "has no role"),
            ({"name": "x", "roles": ["viewer"], "key": "mine"}, "key"),
        ):
            answer = await desk.as_("ada").post("/principals", json=body)
            assert answer.status_code == 422
            assert word in answer.json()["detail"]

    async def test_the_first_key_comes_from_a_file(self, desk: Desk, tmp_path: Path) -> None:
        path, key = tmp_path / "keys.json", "tg_" + "k" * 40
        path.write_text(json.dumps([{"name": "first", "key": key, "roles": ["admin"]}]))
        path.chmod(0o644)
        with pytest.raises(BadInput, match="chmod 600"):
            read_first_keys(path)
        path.chmod(0o600)
        for _ in range(2):
            await put_first_keys(desk.deps, read_first_keys(path))
        assert (await desk.as_(None).get("/whoami", headers={"Authorization": f"Bearer {key}"})).json()["name"] == "first"
        assert len(await desk.docs("audit", subject="first")) == 1

    async def test_a_mounted_secret_may_be_read_by_the_group_and_others_of_its_container(self, tmp_path: Path) -> None:
        path = tmp_path / "first_keys.json"
        path.write_text(json.dumps([{"name": "first", "key": "tg_" + "k" * 40, "roles": ["admin"]}]))
        for mode in (0o440, 0o444, 0o644):
            path.chmod(mode)
            assert read_first_keys(path, secrets=tmp_path)[0].principal.name == "first"
            with pytest.raises(BadInput, match="chmod 600"):
                read_first_keys(path, secrets=tmp_path / "elsewhere")
        for mode in (0o660, 0o602):
            path.chmod(mode)
            with pytest.raises(BadInput, match="chmod go-w"):
                read_first_keys(path, secrets=tmp_path)

    @pytest.mark.parametrize("text", ["{}", "[", '[{"name": "a", "key": "short", "roles": ["admin"]}]', '[{"name": "a", "kee": "secret"}]'])
    async def test_a_wrong_file_is_refused_without_its_keys(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "keys.json"
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(BadInput) as raised:
            read_first_keys(path)
        assert "secret" not in str(raised.value)
        assert "short" not in str(raised.value)

"""Headers that no browser sends are refused as any others: they are no way to an error of ours."""

from typing import Any

import pytest

from tests.unit.approvals.browsing import log_in, stranger
from tests.unit.approvals.desk import Desk

ODD = ["[x", "http://[x", "http://[x]y/", "//\u2100".encode(), ":", ""]


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", ["Host", "Origin", "Referer"])
async def test_from_who_is_not_let_in(desk: Desk, name: str, value: str | bytes) -> None:
    tab = stranger(desk)
    headers = [(b"Cookie", b"taskgrove=over"), (name.encode(), value if isinstance(value, bytes) else value.encode())]
    page = await tab.client.get("/inbox", headers=headers)
    form = await tab.client.post("/runs/0198/start", data={"approval": "x"}, headers=headers)
    api = await tab.client.get("/tasks", headers=headers)
    assert (page.status_code, form.status_code, api.status_code) == (303, 303, 401)


@pytest.mark.parametrize("value", ODD)
async def test_an_odd_origin_is_foreign(desk: Desk, value: str | bytes) -> None:
    tab = await log_in(desk, "pat")
    headers = [(b"Origin", value if isinstance(value, bytes) else value.encode())]
    answer = await tab.client.post("/logout", data={"csrf": tab.csrf}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/inbox", "/tasks", "/login"])
async def test_a_query_that_no_url_can_have_is_refused(desk: Desk, path: str) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"a=\xff", "headers": []}
    await desk.app({**scope, "scheme": "http", "server": ("approvals", 80), "root_path": "", "http_version": "1.1"}, receive, send)
    assert sent[0]["status"] == 422

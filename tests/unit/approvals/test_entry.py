"""In and out of the dashboard: keys, links, sessions, tokens, throttle."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import iter_route_contexts

from services.approvals.domain.principals import Principal, key_hash
from services.approvals.web.entry import back_to
from services.approvals.web.pages import is_page
from services.approvals.web.throttle import MOST_FROM_ALL, MOST_FROM_ONE, WINDOW_SECONDS, Throttle
from tests.unit.approvals.browsing import log_in, stranger
from tests.unit.approvals.desk import Desk

PART = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\\ud800\r\n--x--\r\n'


async def new_link(desk: Desk, name: str) -> str:
    answer = await desk.as_(name).post("/links")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["path"]).partition("token=")[2]


class TestLogin:
    async def test_a_key_opens_a_session_that_only_the_browser_knows(self, desk: Desk) -> None:
        tab = stranger(desk)
        answer = await tab.client.post("/login", data={"key": desk.keys["pat"], "next": "/inbox?show=mine"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/inbox?show=mine")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=604800"} <= {part.strip() for part in cookie.split(";")}
        assert "Secure" not in cookie
        secret = cookie.partition("=")[2].partition(";")[0]
        (kept,) = await desk.docs("sessions")
        assert kept["_id"] == key_hash(secret)
        assert secret not in str(await desk.docs("audit"))
        assert desk.keys["pat"] not in str(await desk.docs("audit"))
        assert [(one["who"], one["what"], one["detail"]) for one in await desk.docs("audit")] == [("pat", "login", {"by": "key"})]

    async def test_behind_tls_the_cookie_is_secure(self, desk: Desk) -> None:
        answer = await stranger(desk).client.post("/login", data={"key": desk.keys["pat"]}, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in answer.headers["set-cookie"]

    async def test_the_cookie_is_named_by_the_port(self, desk: Desk) -> None:
        answer = await stranger(desk).client.post("/login", data={"key": desk.keys["pat"]}, headers={"Host": "127.0.0.1:4711"})
        assert answer.headers["set-cookie"].startswith("taskgrove_4711=")

    async def test_a_wrong_key_is_told_audited_and_not_repeated(self, desk: Desk) -> None:
        answer = await stranger(desk).client.post("/login", data={"key": "tg_secretguess", "next": "/inbox"})
        assert answer.status_code == 401
        assert "not known" in answer.text
        assert "tg_secretguess" not in answer.text
        assert 'value="/inbox"' in answer.text
        (entry,) = await desk.docs("audit")
        assert (entry["what"], entry["detail"]["by"]) == ("login.refused", "key")
        assert "tg_secretguess" not in str(entry)

    async def test_who_guesses_must_wait_and_can_neither_fill_the_audit_trail_nor_lock_others_out(self, desk: Desk) -> None:
        tab = stranger(desk)
        statuses = [(await tab.client.post("/login", data={"key": f"tg_{number}"})).status_code for number in range(MOST_FROM_ONE + 5)]
        assert statuses == [401] * MOST_FROM_ONE + [429] * 5
        assert len(await desk.docs("audit")) == MOST_FROM_ONE
        assert (await tab.client.post("/login", data={"key": desk.keys["pat"]})).status_code == 303, "behind a proxy all have one address"

    async def test_a_stranger_brings_little(self, desk: Desk) -> None:
        answer = await stranger(desk).client.post("/login", data={"key": "x" * 100_000})
        assert (answer.status_code, "too" in answer.text.lower() or "larger" in answer.text) == (413, True)

    async def test_a_form_from_another_site_is_refused(self, desk: Desk) -> None:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            answer = await stranger(desk).client.post("/login", data={"key": desk.keys["pat"]}, headers=headers)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize(
        ("url", "leads_to"),
        [
            ("/inbox?show=all", "/inbox?show=all"),
            ("/runs/0198.1?task=2", "/runs/0198.1?task=2"),
            ("/", "/"),
            *((url, "/") for url in ("", "//evil.example", "https://evil.example/inbox", "/\\evil.example", "javascript:alert(1)")),
            *((url, "/") for url in ("/login", "/logout", "/tasks", "/ui/runs", "inbox", "/inbox\r\nX: y", "///evil.example/inbox")),
        ],
    )
    def test_it_leads_to_our_own_pages_only(self, url: str, leads_to: str) -> None:
        assert back_to(url) == leads_to


class TestLinks:
    async def test_a_link_is_shown_by_get_and_used_by_post_once(self, desk: Desk) -> None:
        token, tab = await new_link(desk, "pat"), stranger(desk)
        for _ in range(3):
            shown = await tab.get(f"/login?token={token}")
            assert (shown.status_code, "set-cookie" in shown.headers) == (200, False)
            assert token in shown.text
        assert (await tab.client.post("/login", data={"token": token})).status_code == 303
        assert "pat" in (await tab.get("/")).text
        again = await stranger(desk).client.post("/login", data={"token": token})
        assert (again.status_code, "was used already" in again.text) == (401, True)
        assert token not in str(await desk.docs("audit")) + str(await desk.docs("sessions"))

    async def test_a_link_on_another_site_logs_nobody_in_unasked(self, desk: Desk) -> None:
        token, tab = await new_link(desk, "vic"), await log_in(desk, "pat")
        assert "data-at-once" in (await tab.get(f"/login?token={token}", **{"Sec-Fetch-Site": "none"})).text
        for site in ("cross-site", "same-site"):
            shown = (await tab.get(f"/login?token={token}", **{"Sec-Fetch-Site": site})).text
            assert "data-at-once" not in shown
            assert "you are logged in as pat" in shown
            assert token in shown

    async def test_a_link_ends_after_five_minutes(self, desk: Desk) -> None:
        token = await new_link(desk, "pat")
        past = {"$set": {"expires_at": desk.ground.clock.now() - timedelta(seconds=1)}}
        await desk.ground.database["sessions"].update({"kind": "link"}, past)
        assert (await stranger(desk).client.post("/login", data={"token": token})).status_code == 401

    async def test_a_link_is_no_session_and_a_session_no_link(self, desk: Desk) -> None:
        token = await new_link(desk, "pat")
        assert (await stranger(desk).get("/", Cookie=f"taskgrove={token}")).status_code == 303
        tab = await log_in(desk, "pat")
        secret = tab.client.cookies["taskgrove"]
        assert (await stranger(desk).client.post("/login", data={"token": secret})).status_code == 401

    async def test_a_session_makes_no_links(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        answer = await tab.client.post("/links", headers={"X-CSRF-Token": tab.csrf})
        assert (answer.status_code, "use the API key" in answer.text) == (403, True)

    async def test_another_person_may_log_in_over_a_session(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        assert (await tab.send("/login", token=await new_link(desk, "vic"))).status_code == 303
        assert 'class="name" title="viewer">vic<' in (await tab.get("/")).text
        assert [one["name"] for one in await desk.docs("sessions", kind="session")] == ["vic"]


class TestSessions:
    async def test_logging_out_ends_it_in_the_store(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        secret = tab.client.cookies["taskgrove"]
        answer = await tab.send("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?out=1")
        assert await desk.docs("sessions") == []
        assert (await stranger(desk).get("/", Cookie=f"taskgrove={secret}")).status_code == 303

    async def test_a_session_that_is_over_leads_to_the_login_and_back(self, desk: Desk) -> None:
        tab = stranger(desk)
        answer = await tab.get("/inbox?show=all", Cookie="taskgrove=over")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/login?next={quote('/inbox?show=all', safe='/')}&stale=1"
        assert 'taskgrove=""' in answer.headers["set-cookie"]
        assert "Your session is over" in (await tab.get(answer.headers["location"])).text

    async def test_a_session_that_is_over_leaves_an_open_page_where_it_is(self, desk: Desk) -> None:
        tab = stranger(desk)
        for answer in (
            await tab.get("/ui/waiting", **{"Cookie": "taskgrove=over", "HX-Request": "true"}),
            await tab.client.post("/submit", data={"prompt": "long"}, headers={"Cookie": "taskgrove=over", "HX-Request": "true"}),
        ):
            assert (answer.status_code, "hx-redirect" in answer.headers) == (401, False)
            assert "Log in in another tab" in answer.text
            # It may arrive after the login in the other tab, and would end that.
            assert "set-cookie" not in answer.headers

    async def test_an_open_page_gets_the_token_of_the_next_session(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        former = tab.csrf
        assert f'data-who="pat" data-csrf="{former}"' in (await tab.get("/ui/waiting")).text
        await tab.client.post("/login", data={"key": desk.keys["pat"], "csrf": former})
        found = re.search(r'data-csrf="([0-9a-f]{64})"', (await tab.get("/ui/waiting")).text)
        assert found
        assert found[1] != former
        tab.csrf = found[1]
        assert (await tab.send("/logout")).headers["location"] == "/login?out=1"

    async def test_a_form_that_comes_too_late_leads_back_to_its_page(self, desk: Desk) -> None:
        tab = stranger(desk)
        headers = {"Cookie": "taskgrove=over", "Referer": "http://approvals/runs/0198/plan"}
        answer = await tab.client.post("/runs/0198/start", data={"approval": "x"}, headers=headers)
        assert answer.headers["location"] == "/login?next=/runs/0198/plan&stale=1"
        unsaid = await tab.client.post("/runs/0198/start", data={"approval": "x"}, headers={"Cookie": "taskgrove=over"})
        assert unsaid.headers["location"] == "/login?stale=1"

    def test_nobody_is_led_to_what_only_takes_forms(self, desk: Desk) -> None:
        routes = [route for route in iter_route_contexts(desk.app.routes) if is_page(str(route.path))]
        shown = {str(route.path) for route in routes if "GET" in (route.methods or ())}
        taken = {str(route.path) for route in routes} - shown
        assert {"/runs/{run_id}/start", "/runs/{run_id}/discard"} <= taken
        assert {path for path in taken if back_to(re.sub(r"\{[^}]*\}", "x", path)) != "/"} == set()

    async def test_the_api_answers_a_stale_cookie_with_a_problem(self, desk: Desk) -> None:
        answer = await stranger(desk).get("/tasks", Cookie="taskgrove=over")
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")

    async def test_it_ends_with_the_key(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        await desk.deps.principals.delete("pat")
        await desk.deps.principals.create(Principal("pat", frozenset({"admin"}), frozenset()))
        fresh = type(desk.deps.sessions)(desk.ground.database, desk.ground.clock)  # another replica, that remembers nothing
        assert await fresh.who(tab.client.cookies["taskgrove"]) is None

    async def test_it_ends_with_its_time(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        past = {"$set": {"expires_at": desk.ground.clock.now()}}
        await desk.ground.database["sessions"].update({"kind": "session"}, past)
        fresh = type(desk.deps.sessions)(desk.ground.database, desk.ground.clock)
        assert await fresh.who(tab.client.cookies["taskgrove"]) is None

    async def test_a_session_in_use_goes_on_and_is_written_once_an_hour(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        secret, sessions, now = tab.client.cookies["taskgrove"], desk.ground.database["sessions"], desk.ground.clock.now()

        async def used(*, begun: timedelta, left: timedelta) -> timedelta:
            await sessions.update({"kind": "session"}, {"$set": {"at": now - begun, "expires_at": now + left}})
            assert await type(desk.deps.sessions)(desk.ground.database, desk.ground.clock).who(secret)
            (kept,) = await desk.docs("sessions")
            return timedelta(minutes=round((kept["expires_at"] - now).total_seconds() / 60))

        minute, hour, day = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
        assert await used(begun=11 * hour, left=hour) == 12 * hour
        assert await used(begun=hour, left=11 * hour + 2 * minute) == 11 * hour + 2 * minute
        assert await used(begun=7 * day - 3 * hour, left=hour) == 3 * hour, "seven days after it began it ends"

    async def test_a_key_goes_before_a_cookie(self, desk: Desk) -> None:
        tab = await log_in(desk, "vic")
        answer = await tab.client.get("/whoami", headers={"Authorization": f"Bearer {desk.keys['ada']}"})
        assert answer.json()["name"] == "ada"


class TestTokens:
    @pytest.mark.parametrize(
        "request_",
        [
            {"data": {"prompt": "x"}},
            {"data": {"csrf": "0" * 64}},
            {"data": {"csrf": ""}},
            {"json": {"description": "x"}},
            {"json": {"description": "x"}, "headers": {"X-CSRF-Token": "0" * 64}},
            {"json": {"description": "x"}, "headers": {"X-CSRF-Token": "\u00e9".encode()}},
            {"files": {"csrf": ("f", b"x")}},
            {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
            {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}},
            *(
                {"content": PART, "headers": {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}}
                for charset in ("unicode_escape", "undefined", "punycode")
            ),
            {},
        ],
    )
    async def test_without_its_token_a_session_changes_nothing(self, desk: Desk, request_: dict[str, Any]) -> None:
        tab = await log_in(desk, "ada")
        for path in ("/tasks", "/logout"):
            answer = await tab.client.post(path, **request_)
            assert (answer.status_code, "token" in answer.text) == (403, True)
        assert await desk.docs("submissions") == []
        assert len(await desk.docs("sessions")) == 1

    async def test_with_its_token_the_api_takes_a_session(self, desk: Desk) -> None:
        tab = await log_in(desk, "ada")
        answer = await tab.client.post(
            "/tasks", json={"description": "x", "notes": [{"name": "a", "text": "# A"}]}, headers={"X-CSRF-Token": tab.csrf}
        )
        assert answer.status_code == 202

    async def test_another_site_is_refused_even_with_the_token(self, desk: Desk) -> None:
        tab = await log_in(desk, "pat")
        for headers in ({"Sec-Fetch-Site": "same-site"}, {"Origin": "http://approvals.evil.example"}):
            assert (await tab.send("/logout", headers=headers)).status_code == 403
        ours = {"Sec-Fetch-Site": "same-origin", "Origin": "http://approvals"}
        assert (await tab.send("/logout", headers=ours)).status_code == 303

    async def test_one_session_has_not_the_token_of_another(self, desk: Desk) -> None:
        pat, vic = await log_in(desk, "pat"), await log_in(desk, "vic")
        vic.csrf = pat.csrf
        assert (await vic.send("/logout")).status_code == 403


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def monotonic(self) -> float:
        return self.at


class TestThrottle:
    def test_it_opens_again_after_a_minute(self) -> None:
        clock = Hand()
        throttle = Throttle(clock)  # type: ignore[arg-type]
        for _ in range(MOST_FROM_ONE):
            assert not throttle.is_closed("a")
            throttle.failed("a")
        assert throttle.is_closed("a")
        assert not throttle.is_closed("b")
        clock.at += WINDOW_SECONDS
        assert not throttle.is_closed("a")

    def test_many_addresses_together_fill_no_audit_trail_and_lock_nobody_out(self) -> None:
        throttle = Throttle(Hand())  # type: ignore[arg-type]
        assert all(throttle.failed(str(number)) for number in range(MOST_FROM_ALL))
        assert not throttle.failed("another")
        assert not throttle.is_closed("a third")

"""Signing in at the issuer, how long it lasts, and what is no sign-in."""

import re
import time
from pathlib import Path

import pytest

from services.console.session import IDLE_S, Seal, Session, SignIn, key_of
from services.console.visit import SESSION_COOKIE, path_of_ours
from services.identity.tokens import LIFETIME_S
from shared.settings import Settings
from tests.unit.console.setting import ORIGIN, URL, Setting, query_of, text_of

ROUND = "/rounds/rnd_01kb0000000000000000000000"


async def test_who_is_not_signed_in_is_sent_to_the_issuer_and_back_to_the_page_they_wanted(setting: Setting) -> None:
    wanted = await setting.get(f"{ROUND}?supply_kg=1200")
    assert wanted.status_code == 303
    assert wanted.headers["location"].startswith(f"{URL}/sign-in?")
    back = query_of(wanted.headers["location"])["back"]
    signed_in = await setting.sign_in("operator-1", back)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, f"{URL}{ROUND}?supply_kg=1200")
    page = await setting.get("/requests")
    assert page.status_code == 200 and "operator" in text_of(page)


async def test_a_page_that_asks_by_itself_is_told_to_go_there_as_a_whole(setting: Setting) -> None:
    asked = await setting.get("/", headers={"hx-request": "true"})
    assert asked.status_code == 401 and asked.headers["hx-redirect"].startswith(f"{URL}/sign-in?")


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example", "javascript:alert(1)", "/a\r\nSet-Cookie: b"]
)
def test_nobody_is_sent_elsewhere_by_a_link_to_the_sign_in(back: str) -> None:
    assert path_of_ours(back) == "/"


async def test_an_answer_counts_in_the_browser_that_asked_for_it_alone_and_once(setting: Setting) -> None:
    begun = await setting.get("/sign-in")
    callback = await setting.at_the_issuer(begun.headers["location"], "operator-1")
    setting.browser.cookies.clear()
    refused = await setting.get(callback)
    assert refused.status_code == 403 and "begun in another browser" in text_of(refused)
    await setting.get("/sign-in")
    other = await setting.get(callback)
    assert other.status_code == 403 and "belongs to another sign-in" in text_of(other)
    assert (await setting.sign_in("operator-1")).status_code == 303
    assert SESSION_COOKIE in setting.browser.cookies


async def test_a_code_that_was_used_signs_nobody_in(setting: Setting) -> None:
    begun = await setting.get("/sign-in")
    callback = await setting.at_the_issuer(begun.headers["location"], "operator-1")
    kept = dict(setting.browser.cookies)
    assert (await setting.get(callback)).status_code == 303
    setting.browser.cookies.clear()
    setting.browser.cookies.update(kept)
    again = await setting.get(callback)
    assert again.status_code == 403 and "does not take this code any more" in text_of(again)


async def test_a_session_ends_with_the_token_or_when_nobody_looks(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    assert (await setting.get("/requests")).status_code == 200
    setting.now = time.time() + LIFETIME_S  # the issuer goes by its own clock
    assert (await setting.get("/requests")).status_code == 303


def test_idle_and_longest() -> None:
    session = Session(token="t", subject="s", roles=(), acts_for=None, began=0, seen=0, until=10**9)
    assert not session.ended(IDLE_S - 1)
    assert session.ended(IDLE_S)
    busy = Session(token="t", subject="s", roles=(), acts_for=None, began=0, seen=8 * 3600 - 1, until=10**9)
    assert busy.ended(8 * 3600) and not busy.ended(8 * 3600 - 1)


async def test_a_look_keeps_a_session_and_what_a_page_asks_by_itself_does_not(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    first = setting.browser.cookies[SESSION_COOKIE]
    setting.now += 120
    by_itself = await setting.get("/requests", headers={"console-refresh": "1"})
    assert by_itself.status_code == 200 and setting.browser.cookies[SESSION_COOKIE] == first
    await setting.get("/requests")
    assert setting.browser.cookies[SESSION_COOKIE] != first


async def test_signed_out_is_signed_out(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    assert (await setting.post("/sign-out")).headers["location"] == f"{URL}/signed-out"
    assert SESSION_COOKIE not in setting.browser.cookies
    assert (await setting.get("/requests")).status_code == 303


@pytest.mark.parametrize("origin", [None, "null", "http://elsewhere.example", "https://localhost:8000"])
async def test_a_post_from_elsewhere_is_refused(setting: Setting, origin: str | None) -> None:
    await setting.sign_in("operator-1")
    for path in ("/sign-out", f"{ROUND}/propose", f"{ROUND}/approvals", f"{ROUND}/certify"):
        assert (await setting.post(path, origin)).status_code == 403
    assert SESSION_COOKIE in setting.browser.cookies


async def test_the_cookie_is_encrypted_and_for_the_console_alone(setting: Setting) -> None:
    answer = await setting.sign_in("operator-1")
    [cookie] = [each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{SESSION_COOKIE}=") and "Max-Age=0" not in each]
    assert {"HttpOnly", "SameSite=lax", "Path=/console/"} <= {part.strip() for part in cookie.split(";")}
    assert "eyJ" not in cookie  # how a token begins
    value = re.search(r"=([^;]+)", cookie)
    assert value is not None
    setting.browser.cookies.set(SESSION_COOKIE, value[1][:-4] + "AAAA", domain="localhost.local", path="/console/")
    setting.browser.cookies.clear()
    setting.browser.cookies.set(SESSION_COOKIE, value[1][:-4] + "AAAA")
    assert (await setting.get("/requests")).status_code == 303


def test_what_was_sealed_as_one_thing_or_by_another_key_is_nothing_else() -> None:
    sign_in = SignIn(state="s", verifier="v", back="/", began=0)
    sealed = Seal("k" * 32, SignIn).seal(sign_in)
    assert Seal("k" * 32, SignIn).open(sealed) == sign_in
    assert Seal("k" * 32, Session).open(sealed) is None
    assert Seal("l" * 32, SignIn).open(sealed) is None


def test_the_key_is_kept_by_its_owner_alone_and_production_makes_none(tmp_path: Path) -> None:
    first = key_of(Settings(data_dir=tmp_path))
    assert key_of(Settings(data_dir=tmp_path)) == first and len(first) >= 32
    assert (tmp_path / "keys" / "console.key").stat().st_mode & 0o077 == 0
    with pytest.raises(ValueError, match="RESERVE_CONSOLE_KEY"):
        key_of(Settings(data_dir=tmp_path / "other", environment="production"))
    assert not (tmp_path / "other").exists()


async def test_nothing_comes_from_elsewhere_and_no_script_from_within(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    for path in ("/", "/requests", "/rounds", "/signed-out", "/nowhere", "/static/console.css"):
        answer = await setting.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
        if "static" not in path:
            assert not re.search(r"<script>|<style|\son[a-z]+=|\sstyle=|javascript:", answer.text), path
            assert {address for address in re.findall(r'(?:src|href|action)="([^"]*)"', answer.text) if "//" in address} == set()
    assert ORIGIN not in (await setting.get("/")).text


async def test_no_such_page_and_no_such_id(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    for path in ("/nowhere", "/requests/..%2f..%2fme", "/rounds/rnd_1", "/static/nothing.css", "/static/NOTICE"):
        assert (await setting.get(path)).status_code == 404, path

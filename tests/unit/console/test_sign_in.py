"""Signing in at the issuer, how long it lasts, and what is no sign-in."""

import asyncio
import base64
import json
import re
import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from services.console.session import IDLE_S, LONGEST_S, Seal, Session, SignIn, key_of
from services.console.sign_in import CODES_AT_ONCE, NotSignedIn, Provider
from services.console.visit import RIGHT_AFTER_S, SESSION_COOKIE, SIGN_IN_COOKIE, path_of_ours
from services.identity.tokens import LIFETIME_S
from shared.settings import Settings
from tests.unit.console.setting import ISSUER, ORIGIN, URL, Setting, a_setting, query_of, sent_by, text_of
from tests.unit.edge.setting import serving

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


@pytest.mark.parametrize("header", ["hx-request", "console-refresh"])
async def test_a_page_that_asks_by_itself_is_never_sent_to_the_provider(setting: Setting, header: str) -> None:
    """Which may know the person still, so that nobody's session would ever end by idling."""
    await setting.sign_in("operator-1")
    setting.carry(until=int(setting.now))
    asked = await setting.get("/", headers={header: "1"})
    assert asked.status_code == 401 and {"location", "hx-redirect"} & set(asked.headers) == set()
    assert "Signed out" in text_of(asked) and 'href="/console/sign-in?back=%2F"' in asked.text
    assert (asked.headers["hx-retarget"], asked.headers["hx-reselect"]) == ("body", "unset")


@pytest.mark.parametrize(("changed", "said"), [("seen", "30 minutes"), ("began", "8 hours")])
async def test_whom_a_limit_has_signed_out_gets_a_page_and_is_asked_anew(setting: Setting, changed: str, said: str) -> None:
    await setting.sign_in("operator-1")
    assert "prompt" not in query_of((await setting.get("/sign-in")).headers["location"])
    setting.carry(**{changed: int(setting.now) - {"seen": IDLE_S, "began": LONGEST_S}[changed]})
    page = await setting.get(ROUND)
    assert page.status_code == 401 and "Signed out" in text_of(page) and said in text_of(page)
    begun = query_of((await setting.get("/sign-in", params={"back": ROUND})).headers["location"])
    assert (begun["prompt"], begun["max_age"]) == ("login", "0")
    await setting.sign_in("operator-1", ROUND)
    assert setting.session.began == int(setting.now) and (await setting.get("/requests")).status_code == 200


async def test_a_new_token_moves_the_longest_limit_of_the_same_person_no_further(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    began = int(setting.now) - LONGEST_S + 60
    setting.carry(began=began, until=int(setting.now))
    assert (await setting.get("/requests")).status_code == 303
    await setting.sign_in("operator-1")
    assert setting.session.began == began and setting.session.renewed == int(setting.now)
    await setting.sign_in("approver-1")
    assert setting.session.began == int(setting.now)


async def test_who_has_signed_out_is_asked_anew_once(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    await setting.post("/sign-out")
    assert query_of((await setting.get("/sign-in")).headers["location"])["prompt"] == "login"
    await setting.sign_in("operator-1")
    assert "prompt" not in query_of((await setting.get("/sign-in")).headers["location"])


@pytest.mark.parametrize(("asked_before_s", "taken"), [(3600, False), (0, True), (None, True)])
async def test_a_provider_that_was_to_ask_anew_and_did_not_signs_nobody_in(asked_before_s: int | None, taken: bool) -> None:
    """Where its tokens say when it asked."""
    now = int(time.time())
    claims = {"sub": "somebody", "exp": now + 900} | ({} if asked_before_s is None else {"auth_time": now - asked_before_s})
    token = f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}.c2ln"
    answers = httpx.MockTransport(lambda _request: httpx.Response(200, json={"access_token": token}))
    settings = Settings(issuer=ISSUER, token_url=f"{ISSUER}/oauth/token", console_url=URL)
    provider = Provider(settings, httpx.AsyncClient(transport=answers))
    begun, _ = provider.begin("/", now, anew=True)
    try:
        session = await provider.finish(begun, {"code": "c", "state": begun.state}, now)
        assert taken and session.subject == "somebody"
    except NotSignedIn as error:
        assert not taken and "has not asked again" in str(error)
    await provider.close()


async def test_a_token_that_is_refused_right_after_a_sign_in_shows_why_and_later_signs_in_again(folder: Path) -> None:
    """A service whose clock or keys are not the issuer's would else send people to and fro without end."""
    app = FastAPI()

    @app.get("/{path:path}")
    async def refuse(path: str) -> Response:
        return JSONResponse({"code": "unauthenticated", "title": "The token is not valid", "detail": path}, 401)

    async with serving(app) as url, a_setting(folder, url) as setting:
        await setting.sign_in("operator-1")
        page = await setting.get(ROUND)
        assert page.status_code == 401 and "location" not in page.headers and "The token is not valid" in text_of(page)
        setting.carry(renewed=int(setting.now) - RIGHT_AFTER_S)
        assert (await setting.get(ROUND)).status_code == 303


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


@pytest.mark.parametrize("query", [{"state": "another"}, {"code": "a guess"}, {"error": "access_denied"}])
async def test_what_is_kept_of_a_sign_in_is_good_for_one_answer(setting: Setting, query: dict[str, str]) -> None:
    """Else one cookie would do for any number of guesses at a code."""
    begun = await setting.get("/sign-in")
    state = query_of(begun.headers["location"])["state"]
    callback = await setting.at_the_issuer(begun.headers["location"], "operator-1")
    assert SIGN_IN_COOKIE in setting.browser.cookies
    assert (await setting.get("/callback", params={"state": state} | query)).status_code == 403
    assert SIGN_IN_COOKIE not in setting.browser.cookies
    assert (await setting.get(callback)).status_code == 403


async def test_many_that_come_back_at_once_ask_the_issuer_in_turns() -> None:
    asking, most = 0, 0

    async def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        for _ in range(10):  # as many turns of the loop as it takes for all others to be there
            await asyncio.sleep(0)
        asking -= 1
        return httpx.Response(400)

    settings = Settings(issuer=ISSUER, token_url=f"{ISSUER}/oauth/token", console_url=URL)
    provider = Provider(settings, httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    begun, _ = provider.begin("/", 0)
    finishing = (provider.finish(begun, {"code": f"{each}", "state": begun.state}, 0) for each in range(5 * CODES_AT_ONCE))
    ended = await asyncio.gather(*finishing, return_exceptions=True)
    assert {type(each) for each in ended} == {NotSignedIn} and most == CODES_AT_ONCE
    await provider.close()


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


@pytest.mark.parametrize("act", ["approvals", "certify"])
async def test_a_form_without_a_session_is_kept_and_sent_again_as_it_was(setting: Setting, act: str) -> None:
    """A redirect to the provider would be refused by the browser (form-action), and what was typed would be lost."""
    typed = '\n{"signature": "</textarea><script>alert(1)</script>"}\r\n'
    page = await setting.post(f"{ROUND}/{act}", signed=typed, key="key_01kb0000000000000000000000")
    assert page.status_code == 401 and "location" not in page.headers and "Signed out" in text_of(page)
    assert sent_by(page) == (f"/console{ROUND}/{act}", {"signed": typed.replace("\r", ""), "key": "key_01kb0000000000000000000000"})
    assert 'href="/console/sign-in?back=%2Frounds%2Frnd_01kb0000000000000000000000" target="_blank"' in page.text
    await setting.sign_in("approver-1" if act == "approvals" else "operator-1")
    again = await setting.post(f"{ROUND}/{act}", **sent_by(page)[1])
    assert again.status_code != 401


async def test_a_form_that_idled_is_kept_and_a_sign_out_needs_no_session(setting: Setting) -> None:
    await setting.sign_in("operator-1")
    setting.carry(seen=int(setting.now) - IDLE_S)
    page = await setting.post(f"{ROUND}/propose", supply_kg="1,200", step="record", key="key_01kb0000000000000000000000")
    form = {"supply_kg": "1,200", "step": "record", "key": "key_01kb0000000000000000000000"}
    assert page.status_code == 401 and sent_by(page) == (f"/console{ROUND}/propose", form)
    assert (await setting.post("/sign-out")).status_code == 303


def test_idle_and_longest() -> None:
    session = Session(token="t", subject="s", roles=(), acts_for=None, began=0, renewed=0, seen=0, until=10**9)
    assert session.ended(IDLE_S - 1) is None
    assert session.ended(IDLE_S) == "idle"
    busy = Session(token="t", subject="s", roles=(), acts_for=None, began=0, renewed=0, seen=8 * 3600 - 1, until=10**9)
    assert busy.ended(8 * 3600) == "longest" and busy.ended(8 * 3600 - 1) is None
    expired = Session(token="t", subject="s", roles=(), acts_for=None, began=0, renewed=0, seen=0, until=60)
    assert expired.ended(60) == "token" and expired.ended(IDLE_S) == "idle"


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
    sign_in = SignIn(state="s", verifier="v", back="/", began=0, anew=False)
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

"""Acting: first what will be recorded is shown; sent from there, under the key that is in that page, it is recorded once."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.responses import Response
from typeid import TypeID

from services.console import kept, shown
from services.console.asking import TIMEOUT_S, Answer
from services.console.visit import TypedForm, Visit

type Around = Callable[[], Awaitable[tuple[list[Answer], dict[str, Any]]]]


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted to a service. `form`: the page with the form, what was typed in it, and why it was refused, if it was. `preview`: the
    template that says what will be recorded. `around`: what that asks for, which names the template's things. `after`: the page that shows
    what came of it, by what the service answered."""

    service: str
    path: str
    body: Any
    form: Callable[[TypedForm, Answer | None], Awaitable[Response]]
    preview: str
    around: Around
    after: Callable[[Answer], str]
    timeout_s: float = TIMEOUT_S


async def step(visit: Visit, typed: TypedForm, act: Act) -> Response:
    """Shows it, records it (`step`: "record"), or goes back to the form (`step`: "change") with all that is in it."""
    match typed.get("step"):
        case "record":
            done = await visit.reader.post(act.service, act.path, act.body, typed.get("key", ""), act.timeout_s)
            return await recorded(visit, done, act.after, lambda refused: act.form(typed, refused))
        case "change":
            return await act.form(typed, None)
    needed, context = await act.around()
    return visit.page(act.preview, *needed, **context, body=act.body, typed=typed, key=str(TypeID("key")))


def around_one(visit: Visit, service: str, path: str, name: str, **more: Any) -> Around:
    """Of an act on one thing: that thing, by its `name` in the template; with what else is given."""

    async def around() -> tuple[list[Answer], dict[str, Any]]:
        found = await visit.reader.get(service, path)
        return [found], {name: found.data, **more}

    return around


def mass_of(typed: TypedForm, name: str) -> int | Answer:
    """The grams that were typed as kg in a field ("mass_kg", which is posted as "mass_g"); or why it is no mass."""
    text = typed.get(name, "")
    mass_g = shown.grams(text)
    if mass_g is not None and mass_g > 0:
        return mass_g
    field = f"/{name.removesuffix('_kg')}_g"
    return Answer.refused("This is no mass", f"{text!r} cannot be read.", "kg, to the gram: 1200 or 1,200.5", field)


def signed(typed: TypedForm) -> dict[str, Any] | Answer:
    """What `reserve approve` has written, as it was pasted; or why it cannot be read."""
    try:
        return msgspec.json.decode(typed.get("signed", ""), type=dict[str, Any])
    except msgspec.DecodeError:
        wanted = "the whole of the file that reserve approve has written"
        return Answer.refused("This cannot be read", "It is no JSON that reserve approve writes.", wanted)


async def recorded(visit: Visit, done: Answer, after: Callable[[Answer], str], form: Callable[[Answer], Awaitable[Response]]) -> Response:
    """What comes of an act: on to its page; back to its form, with the problem; or, if nobody knows, to one that sends it again."""
    if done.problem is None:
        return visit.console.to(after(done))
    return await (kept.without_answer(visit, done) if done.is_open else form(done))

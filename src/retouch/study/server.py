"""A study's pages: a welcome, one question at a time, thanks. A rater's link goes on where the rater stopped."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from retouch.errors import BadPicture, RetouchError
from retouch.guard import Guard
from retouch.runs.files import BadRun
from retouch.runs.run import Run
from retouch.study.album import Album
from retouch.study.ballot import BadAnswer, ForgedToken, Standing, UnknownRater
from retouch.study.questions import CHOICES, PREFERENCE, BadStudy, Shown, pictures
from retouch.study.sheets import Item
from retouch.study.store import Study
from retouch.study.tokens import made

_FOLDER = Path(__file__).parent / "page"
_STYLE = {"study.css": "text/css; charset=utf-8", "study.js": "text/javascript; charset=utf-8"}
_COOKIE = "study"
_LONGEST = 1000  # bytes of a form
_SECONDS = 6  # for one question, as a guess for the welcome
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # a rater's link is the rater's alone; with "no-referrer" browsers would not say of a form whose page it is from
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}
_STATUS = {UnknownRater: 404, ForgedToken: 403, BadAnswer: 400, BadStudy: 503, BadPicture: 500, BadRun: 500}


def application(run: Run, study: Study, hosts: Collection[str], *, any_address: bool = False) -> Guard:
    """The pages of a study.

    ::

        GET  /               the welcome
        POST /begin          token=…                a new rater; the same one for the same token
        GET  /r/TOKEN        the rater's next question, or thanks
        POST /r/TOKEN        position=…, choice=…   an answer
        GET  /r/TOKEN/last   the rater's last answer, to be looked at again
        POST /r/TOKEN/last   position=…, choice=…   another one in its place
        GET  /picture/NAME   a picture of the study, under a name that tells nothing

    Args:
        hosts, any_address: the names by which it may be visited; see :class:`retouch.guard.Guard`.

    Raises:
        BadStudy: when a case or an edit of the study is not in the run any more.
    """
    desk = _Desk(run, study)
    pages = Starlette(
        routes=[
            Route("/", desk.welcome),
            Route("/begin", desk.begin, methods=["POST"]),
            Route("/r/{token}", desk.question),
            Route("/r/{token}", desk.answer, methods=["POST"]),
            Route("/r/{token}/last", desk.last),
            Route("/r/{token}/last", desk.change, methods=["POST"]),
            Route("/picture/{name}", desk.picture),
            *(Route(f"/{name}", _style) for name in _STYLE),
        ],
        exception_handlers={RetouchError: desk.pages.refusal, HTTPException: desk.pages.refusal},
    )
    return Guard(pages, hosts, "study", _HEADERS, any_address=any_address)


class _Desk:
    """Answers what raters' browsers ask."""

    def __init__(self, run: Run, study: Study) -> None:
        self.study, self.album, self.pages = study, Album(run, study), _Pages()
        self.targets = {entry.id: entry.target or str(entry.about.get("instruction", "")) for entry in run.cases()}
        if not {one.case for one in study.questions} <= self.targets.keys():
            raise BadStudy(f"the study asks about cases that {str(run.folder)!r} does not have: the run is damaged.")

    def welcome(self, request: Request) -> Response:
        token, study = request.cookies.get(_COOKIE, ""), self.study
        try:
            standing = study.standing(token)
        except UnknownRater:
            standing = None
        number = min(study.settings.per_rater, sum(not one.check for one in study.questions)) + study.settings.checks
        going_on = token if standing and standing.items else ""
        return self.pages.page(
            "welcome.html", root="", token=made(study.secret), going_on=going_on, standing=standing,
            kinds=study.settings.kinds, checks=study.settings.checks, number=number,
            minutes=max(1, round(number * _SECONDS / 60)),
        )  # fmt: skip

    async def begin(self, request: Request) -> Response:
        token = (await _form(request)).get("token", "")
        await run_in_threadpool(self.study.join, token)
        response = _redirect(f"r/{token}")
        response.set_cookie(_COOKIE, token, max_age=30 * 86400, path=None, httponly=True, samesite="lax")
        return response

    def question(self, request: Request) -> Response:
        token = request.path_params["token"]
        standing = self.study.standing(token)
        if not standing.items:
            return self.pages.page("thanks.html", root="../", token=token, total=standing.total)
        return self._asked(standing, token, "../")

    def last(self, request: Request) -> Response:
        token = request.path_params["token"]
        return self._asked(self.study.last(token), token, "../../")

    def _asked(self, standing: Standing, token: str, root: str) -> Response:
        shown = _shown(self.study, self.album, self.targets, standing)
        return self.pages.page("question.html", root=root, token=token, **shown)

    async def answer(self, request: Request) -> Response:
        return await self._taken(request, self.study.answer, "")

    async def change(self, request: Request) -> Response:
        return await self._taken(request, self.study.change, "../")

    async def _taken(self, request: Request, take: Callable[[str, int, str], bool], root: str) -> Response:
        """What the form says is kept, and the next question comes."""
        token, form = request.path_params["token"], await _form(request)
        position = form.get("position", "")
        if not re.fullmatch(r"[1-9][0-9]{0,4}", position):
            raise BadAnswer("the position must be a whole number from 1.")
        await run_in_threadpool(take, token, int(position), form.get("choice", ""))
        return _redirect(root + token)

    def picture(self, request: Request) -> Response:
        png = self.album.png(request.path_params["name"])
        if png is None:
            raise HTTPException(404)
        return _response(png, "image/png", {"Cache-Control": "private, max-age=86400, immutable"})


def _style(request: Request) -> Response:
    name = request.url.path.rpartition("/")[2]
    return _response((_FOLDER / name).read_bytes(), _STYLE[name], {"Cache-Control": "no-cache"})


class _Pages:
    """Fills in the templates."""

    def __init__(self) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(template).render(values)
        return _response(text.encode(), "text/html; charset=utf-8", {"Cache-Control": "no-store"}, status)

    async def refusal(self, request: Request, error: Exception) -> Response:
        """One sentence: as a page for who visits it, as plain text for a script."""
        if isinstance(error, HTTPException):
            status, sentence = error.status_code, "There is no such page in this study."
        else:
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
            sentence = str(error)
        if status >= 500:  # paths and causes are for whoever runs it
            sys.stderr.write(f"retouch: {error}\n")
            sentence = "The study cannot go on just now; whoever runs it can see why."
        if "text/html" not in request.headers.get("accept", ""):
            return _response(f"{sentence}\n".encode(), "text/plain; charset=utf-8", {}, status)
        root = "../" * (request.url.path.count("/") - 1)
        return self.page("refusal.html", status, root=root, sentence=sentence[:1].upper() + sentence[1:])


def _shown(study: Study, album: Album, targets: Mapping[str, str], standing: Standing) -> dict[str, Any]:
    """What a question's page says; of methods and cases nothing."""
    item = standing.items[0]
    question = study.questions[item.question]
    told = ""
    if question.check == "told":
        told = question.told if question.kind != PREFERENCE else CHOICES[PREFERENCE][item.swapped]
    shown = [album.name(one) for one in _sides(study, item)]
    later = [album.name(one) for other in standing.items[1:] for one in _sides(study, other)]
    return {
        "kind": question.kind, "aspect": question.aspect, "target": targets[question.case].strip(), "told": told,
        "position": standing.position, "total": standing.total, "answered": standing.answered,
        "chosen": standing.chosen,
        "input": shown[0], "edits": shown[1:], "later": [name for name in dict.fromkeys(later) if name not in shown],
    }  # fmt: skip


def _sides(study: Study, item: Item) -> tuple[Shown, ...]:
    """The input, and the edits from left to right."""
    given, *edits = pictures(study.questions[item.question])
    return (given, *(reversed(edits) if item.swapped else edits))


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        BadAnswer: for what is too long or no form.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST:
            raise BadAnswer("what was sent is too long for an answer.")
    try:
        return dict(parse_qsl(body.decode("ascii"), strict_parsing=True, max_num_fields=4))
    except ValueError:
        raise BadAnswer("what was sent is no form.") from None


def _redirect(where: str) -> Response:
    """To a page beside this one, to be fetched anew: reloading it sends nothing twice."""
    return _response(b"", "text/plain", {"Location": where, "Cache-Control": "no-store"}, 303)


def _response(body: bytes, kind: str, headers: Mapping[str, str], status: int = 200) -> Response:
    return Response(body, status, dict(headers), kind)

"""A study's pages: a welcome, one question at a time, thanks. A rater's link goes on where the rater stopped."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Mapping
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
from retouch.runs.files import BadRun
from retouch.runs.run import Run
from retouch.study.album import Album
from retouch.study.questions import CHOICES, PREFERENCE, BadStudy, Shown, pictures
from retouch.study.sheets import Item
from retouch.study.store import BadAnswer, Standing, Study, UnknownRater

_FOLDER = Path(__file__).parent / "page"
_STYLE = {"study.css": "text/css; charset=utf-8", "study.js": "text/javascript; charset=utf-8"}
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_COOKIE = "study"
_LONGEST = 1000  # bytes of a form
_SECONDS = 6  # for one question, as a guess for the welcome
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # a rater's link is the rater's alone
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_STATUS = {UnknownRater: 404, BadAnswer: 400, BadStudy: 503, BadPicture: 500, BadRun: 500}


def application(run: Run, study: Study) -> Starlette:
    """The pages of a study.

    ::

        GET  /               the welcome
        POST /begin          token=…                a new rater; the same one for the same token
        GET  /r/TOKEN        the rater's next question, or thanks
        POST /r/TOKEN        position=…, choice=…   an answer
        GET  /picture/NAME   a picture of the study, under a name that tells nothing

    Raises:
        BadStudy: when a case or an edit of the study is not in the run any more.
    """
    desk = _Desk(run, study)
    return Starlette(
        routes=[
            Route("/", desk.welcome),
            Route("/begin", desk.begin, methods=["POST"]),
            Route("/r/{token}", desk.question),
            Route("/r/{token}", desk.answer, methods=["POST"]),
            Route("/picture/{name}", desk.picture),
            *(Route(f"/{name}", _style) for name in _STYLE),
        ],
        exception_handlers={RetouchError: desk.pages.refusal, HTTPException: desk.pages.refusal},
    )


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
            "welcome.html", root="", token=secrets.token_urlsafe(16), going_on=going_on, standing=standing,
            kinds=study.settings.kinds, checks=study.settings.checks, number=number,
            minutes=max(1, round(number * _SECONDS / 60)),
        )  # fmt: skip

    async def begin(self, request: Request) -> Response:
        token = (await _form(request)).get("token", "")
        if not _TOKEN.fullmatch(token):
            raise BadAnswer("this form is not the first page's: begin there.")
        await run_in_threadpool(self.study.join, token)
        response = _redirect(f"r/{token}")
        response.set_cookie(_COOKIE, token, max_age=30 * 86400, path=None, httponly=True, samesite="lax")
        return response

    def question(self, request: Request) -> Response:
        standing = self.study.standing(request.path_params["token"])
        if not standing.items:
            return self.pages.page("thanks.html", root="../", total=standing.total)
        return self.pages.page("question.html", root="../", **_shown(self.study, self.album, self.targets, standing))

    async def answer(self, request: Request) -> Response:
        token, form = request.path_params["token"], await _form(request)
        position = form.get("position", "")
        if not re.fullmatch(r"[1-9][0-9]{0,4}", position):
            raise BadAnswer("the position must be a whole number from 1.")
        await run_in_threadpool(self.study.answer, token, int(position), form.get("choice", ""))
        return _redirect(token)

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
    return Response(body, status, {**_HEADERS, **headers}, kind)

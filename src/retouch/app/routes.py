"""The studio's own addresses: pictures in and out, the state of a visit, and what its buttons do; by cookie."""

from __future__ import annotations

import re
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from retouch.app.desk import Desk
from retouch.app.pictures import MAX_BYTES
from retouch.app.views import state
from retouch.app.visits import NoVisit, TooManyVisits, Visit
from retouch.errors import BadParameter, RetouchError
from retouch.guard import TooLarge

FOLDER = Path(__file__).parent / "page"
LARGE = {"/studio/bring": MAX_BYTES + 2**16, "/studio/mask": 16 * 2**20, "/studio/beside": MAX_BYTES + 2**16}
"""Addresses that take pictures, with the most bytes of one."""
_FILES = {
    ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}  # fmt: skip
_DECODING = threading.Semaphore(2)  # pictures at a time: their memory adds up

Answers = Callable[[Request], Awaitable[Response]]


def routes(desk: Desk, cookie: str) -> list[Route]:
    """The addresses, all under /studio/; ``cookie`` is the name of the one that holds a visit's token.

    ::

        GET  state                  what the page shows
        GET  picture/N[.png]        a picture of the visit's history; with .png to be saved, with the recipe inside
        GET  thumb/N, outline/N     it small; what changed in it
        GET  mask, preview/N/M      the mask; what job N leads to by now
        POST bring?name=…           a picture's file
        POST mask                   a mask's file; nothing for none
        POST beside?what=…          a foreground's or a reference's file; nothing for none
        POST do                     {"what": …}: cancel, go on, look at, restore, mark, mask is subject
        GET  file/NAME              the page's own scripts and styles
    """
    own = _Own(desk, cookie)
    return [
        Route("/studio/state", own.guarded(own.state)),
        Route("/studio/picture/{number:int}", own.guarded(own.picture)),
        Route("/studio/picture/{number:int}.png", own.guarded(own.saved)),
        Route("/studio/thumb/{number:int}", own.guarded(own.thumb)),
        Route("/studio/outline/{number:int}", own.guarded(own.outline)),
        Route("/studio/mask", own.guarded(own.mask)),
        Route("/studio/preview/{number:int}/{count:int}", own.guarded(own.preview)),
        Route("/studio/bring", own.guarded(own.bring), methods=["POST"]),
        Route("/studio/mask", own.guarded(own.set_mask), methods=["POST"]),
        Route("/studio/beside", own.guarded(own.set_beside), methods=["POST"]),
        Route("/studio/do", own.guarded(own.do), methods=["POST"]),
        Route("/studio/file/{name}", _file),
    ]


class _Own:
    """Answers for one desk."""

    def __init__(self, desk: Desk, cookie: str) -> None:
        self.desk, self._cookie = desk, cookie

    def guarded(self, answer: Callable[[Visit, Request], Awaitable[Response]]) -> Answers:
        """An answer for the visit of the cookie; what is refused is a sentence."""

        async def answered(request: Request) -> Response:
            try:
                return await answer(self.desk.visits.of(request.cookies.get(self._cookie)), request)
            except NoVisit as error:
                return _refused(error, 410)
            except TooManyVisits as error:
                return _refused(error, 503)
            except RetouchError as error:
                return _refused(error, 400)
            except TooLarge:
                return _refused(RetouchError("this is too large: make it smaller first."), 413)

        return answered

    async def state(self, visit: Visit, request: Request) -> Response:
        """What the page shows."""
        return JSONResponse(state(self.desk, visit), headers={"cache-control": "no-store"})

    async def picture(self, visit: Visit, request: Request) -> Response:
        """To be shown."""
        return _kept(self.desk.node(visit, request.path_params["number"]).picture, "image/png")

    async def saved(self, visit: Visit, request: Request) -> Response:
        """To be saved."""
        node = self.desk.node(visit, request.path_params["number"])
        words = re.sub(r"[^a-z0-9]+", "-", node.label.lower()).strip("-")[:60] or "picture"
        named = {"content-disposition": f'attachment; filename="{words}-{node.number}.png"'}
        return Response(node.picture, media_type="image/png", headers={"cache-control": "no-store", **named})

    async def thumb(self, visit: Visit, request: Request) -> Response:
        """Small."""
        return _kept(self.desk.node(visit, request.path_params["number"]).thumb, "image/jpeg")

    async def outline(self, visit: Visit, request: Request) -> Response:
        """What changed."""
        found = self.desk.node(visit, request.path_params["number"]).outline
        if found is None:
            raise BadParameter("nothing is known to have changed.")
        return _kept(found, "image/png")

    async def mask(self, visit: Visit, request: Request) -> Response:
        """Where edits may happen."""
        if visit.mask is None:
            raise BadParameter("there is no mask.")
        return Response(visit.mask, media_type="image/png", headers={"cache-control": "no-store"})

    async def preview(self, visit: Visit, request: Request) -> Response:
        """What a job leads to by now."""
        job = next((one for one in visit.jobs if one.number == request.path_params["number"]), None)
        shown = None if job is None else job.preview
        if shown is None:
            return Response(b"", 204)
        return Response(shown, media_type="image/jpeg", headers={"cache-control": "no-store"})

    async def bring(self, visit: Visit, request: Request) -> Response:
        """A picture's file."""
        data, name = await request.body(), request.query_params.get("name", "the picture")[-80:]

        def bring() -> None:
            with _DECODING:
                self.desk.bring(visit, data, name or "the picture")

        await run_in_threadpool(bring)
        return JSONResponse({})

    async def set_mask(self, visit: Visit, request: Request) -> Response:
        """A mask's file."""
        data = await request.body()

        def take() -> None:
            with _DECODING:
                self.desk.set_mask(visit, data)

        await run_in_threadpool(take)
        return JSONResponse({})

    async def set_beside(self, visit: Visit, request: Request) -> Response:
        """The file of a picture beside the one that is edited."""
        data, name = await request.body(), request.query_params.get("what", "")

        def take() -> None:
            with _DECODING:
                self.desk.set_beside(visit, name, data)

        await run_in_threadpool(take)
        return JSONResponse({})

    async def do(self, visit: Visit, request: Request) -> Response:
        """What a button of the page says."""
        try:
            asked = await request.json()
            what, number = asked["what"], asked.get("number")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise BadParameter("this is not understood: reload the page.") from None
        if what == "mark":
            await run_in_threadpool(
                self.desk.mark, visit, asked.get("word", ""), asked.get("points", []), asked.get("prompt", "")
            )
            return JSONResponse({})
        if what == "mask is subject":
            self.desk.mask_is_subject(visit)
            return JSONResponse({})
        if what == "cancel" and number is None:
            self.desk.cancel(visit)
            return JSONResponse({})
        doing = {"cancel": self.desk.cancel, "go on": self.desk.go_on, "look at": self.desk.look_at,
                 "restore": self.desk.restore}  # fmt: skip
        if not isinstance(number, int) or isinstance(number, bool) or what not in doing:
            raise BadParameter("this is not understood: reload the page.")
        await run_in_threadpool(doing[what], visit, number)
        return JSONResponse({})


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    found = {path.name: path for path in FOLDER.iterdir() if path.suffix in _FILES}.get(name)
    if found is None:
        return Response("There is no such page in the studio.\n", 404, media_type="text/plain")
    return Response(found.read_bytes(), media_type=_FILES[found.suffix], headers={"cache-control": "no-cache"})


def _kept(data: bytes, kind: str) -> Response:
    """A picture, which under its number is always the same."""
    return Response(data, media_type=kind, headers={"cache-control": "private, max-age=86400, immutable"})


def _refused(error: RetouchError, status: int) -> Response:
    return JSONResponse({"error": str(error)}, status, headers={"cache-control": "no-store"})

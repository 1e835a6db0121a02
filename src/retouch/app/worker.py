"""The process that holds the model: does one task after another, says how far it is, and ends one when told to."""

from __future__ import annotations

import hashlib
import io
import signal
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING, Any

from retouch.app.about import AUTO, about
from retouch.app.tasks import (
    Answer,
    Caption,
    Detail,
    Edit,
    Ended,
    Found,
    Loaded,
    Loading,
    Made,
    Mark,
    News,
    Preview,
    Progress,
    Refused,
    Sweep,
    Task,
)
from retouch.errors import RetouchError
from retouch.picture import from_bytes, mask_from_bytes, png_bytes

if TYPE_CHECKING:
    from PIL import Image

    from retouch.backbone.recommended import Recommended
    from retouch.editor import Editor
    from retouch.fit.fitted import Fit
    from retouch.result import EditResult

FITS = 8
"""As many fits are kept, the most recently used."""
TOO_LITTLE = "there was too little memory for this: make the picture smaller, or ask for less at once."
_PREVIEWS = 0.15  # of the time of an edit may go into previews
_PREVIEW_SIDE = 512  # pixels


class Stop(BaseException):
    """Ends a task at its next step; no ``except Exception`` on the way holds it."""


def main(connection: Connection, ended: Event, loading: Loading) -> None:
    """Loads the model, then answers tasks until the other side closes the connection.

    Says what can be done, :class:`retouch.app.about.About`; told to :class:`retouch.app.tasks.Load` it, that the model
    is :class:`Loaded`, or :class:`Refused`; then for every task its news, and an answer, :class:`Refused` or
    :class:`Ended`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # that one has gone
        known = _known(loading.model)
        try:
            if known is not None:  # what the model recommends is in its folder: the page need not wait for its weights
                connection.send(about(loading.model, known, loading.upscalers))
                connection.recv()
                bench = Bench(loading)
            else:
                bench = Bench(loading)
                model = bench.editor.model
                connection.send(about(model.name, model.recommended, loading.upscalers))
                connection.recv()
        except RetouchError as error:
            connection.send(Refused(str(error)))
            return
        connection.send(Loaded())
        while True:
            connection.send(_answer(bench, connection.recv(), connection.send, ended))


def _known(model: str) -> Recommended | None:
    """What an embedded model recommends; None for others, which may not even be there."""
    from retouch.backbone.load import EMBEDDED, EMBEDDED_CASCADE, EMBEDDED_FOLDER, EMBEDDED_MODELS
    from retouch.backbone.recommended import read_recommended

    if model not in EMBEDDED_MODELS:
        return None
    return read_recommended(EMBEDDED_FOLDER if model == EMBEDDED else EMBEDDED_CASCADE)


def _answer(bench: Bench, task: Task, tell: Callable[[News], None], ended: Event) -> Answer | Refused | Ended:
    try:
        return bench.answer(task, _Telling(tell, ended))
    except Stop:
        return Ended()
    except RetouchError as error:
        return Refused(str(error))
    except MemoryError:
        return Refused(TOO_LITTLE)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # a fault of ours or of a plug-in must not end the others' edits
        import traceback

        if "allocate memory" in str(error):  # torch's way to say so on the CPU
            return Refused(TOO_LITTLE)
        traceback.print_exc()
        return Refused(f"this failed inside ({type(error).__name__}): whoever runs the studio can see why.")


class _Telling:
    """What an edit calls at every step: it passes on news, and ends the edit there when it is told to."""

    def __init__(self, tell: Callable[[News], None], ended: Event) -> None:
        self._tell, self._ended = tell, ended
        self._free_from = 0.0  # no preview before that time

    def progress(self, done: int, total: int) -> None:
        """Steps done of all steps."""
        self._go_on()
        self._tell(Progress(done, total))

    def detail(self, words: str) -> None:
        """What is going on."""
        self._go_on()
        self._tell(Detail(words))

    def preview(self, draw: Callable[[], Image.Image]) -> None:
        """Draws where that does not slow the edit much."""
        self._go_on()
        began = time.monotonic()
        if began < self._free_from:
            return
        shown = draw().copy()
        shown.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
        file = io.BytesIO()
        shown.save(file, "JPEG", quality=85)
        now = time.monotonic()
        self._free_from = now + (now - began) / _PREVIEWS
        self._tell(Preview(file.getvalue()))

    def _go_on(self) -> None:
        if self._ended.is_set():
            raise Stop


class Bench:
    """The model, and the fits made with it."""

    def __init__(self, loading: Loading) -> None:
        from retouch.editor import Editor

        self.editor: Editor = Editor.from_pretrained(loading.model, device=loading.device, **loading.how)
        self._fits: OrderedDict[str, Fit] = OrderedDict()

    def answer(self, task: Task, telling: _Telling) -> Answer:
        """Does a task.

        Raises:
            RetouchError: when it cannot be done.
            Stop: when it was told to end.
        """
        if isinstance(task, Edit):
            return (self._edited(task, telling),)
        if isinstance(task, Sweep):
            return self._swept(task, telling)
        if isinstance(task, Mark):
            return self._marked(task)
        return self._described(task)

    def _edited(self, task: Edit, telling: _Telling) -> Made:
        told: dict[str, Any] = {"progress": telling.progress, "detail": telling.detail, "preview": telling.preview}
        made = self.editor.edit(
            from_bytes(task.picture, "the picture"), source=task.source or None, target=task.target,
            negative_prompt=task.negative or None, method=task.method, mask=_mask(task), keep=task.keep,
            strength=task.strength, seed=task.seed, region=task.region or None, size=task.size,
            upscaler=task.upscaler or None, **_beside(task), **told, **{**task.parts, **self._settings(task)},
        )  # fmt: skip
        return _made(made)

    def _swept(self, task: Sweep, telling: _Telling) -> tuple[Made, ...]:
        edit, picture = task.edit, from_bytes(task.edit.picture, "the picture")
        fixed, sampling = self._parted(edit)
        digest = hashlib.sha256(edit.picture).hexdigest()
        words, settings = (edit.source, edit.target, edit.negative, edit.method), tuple(sorted(fixed.items()))
        beside = [hashlib.sha256(data).hexdigest() for data in (edit.foreground or b"", edit.reference or b"")]
        key = repr((digest, words, settings, edit.seed, edit.size, beside))
        fit = self._fits.get(key)
        if fit is None:
            telling.detail("fitting")
            fit = self.editor.fit(
                picture, target=edit.target, method=edit.method, source=edit.source or None,
                negative_prompt=edit.negative or None, seed=edit.seed, size=edit.size, progress=telling.progress,
                detail=telling.detail, **_beside(edit), **fixed,
            )  # fmt: skip
        self._fits[key] = fit
        self._fits.move_to_end(key)
        while len(self._fits) > FITS:
            self._fits.popitem(last=False)
        telling.detail("sampling")
        found = self.editor.variations(
            picture, fit, seeds=task.seeds, etas=task.etas or None, mask=_mask(edit), keep=edit.keep,
            strength=edit.strength, progress=telling.progress, **sampling,
        )  # fmt: skip
        return tuple(_made(one) for one in found)

    def _parted(self, edit: Edit) -> tuple[dict[str, Any], dict[str, Any]]:
        """An edit's settings: those of the fit, and those of sampling, without eta, which is varied."""
        from retouch.methods.optimising import Optimising
        from retouch.methods.registry import check_fits, method_type

        kind = method_type(edit.method)
        check_fits(kind)
        own = kind.sampling if issubclass(kind, Optimising) else frozenset()
        given = self._settings(edit)
        fixed = {name: value for name, value in given.items() if name not in own}
        return fixed, {name: value for name, value in given.items() if name in own and name != "eta"}

    def _marked(self, task: Mark) -> Found:
        said: list[str] = []
        picture = from_bytes(task.picture, "the picture")
        if task.points:
            return Found(png_bytes(self.editor.mask(picture, points=task.points)))
        words = {word.lower() for word in task.prompt.split()}
        prompt = task.prompt if {word.lower() for word in task.word.split()} <= words else None
        return Found(png_bytes(self.editor.mask(picture, word=task.word, prompt=prompt, say=said.append)), tuple(said))

    def _described(self, task: Caption) -> str:
        """By the embedded CLIP alone: the judge, which tells whether edits succeeded, takes no part."""
        from retouch.diorama.advice import describe

        return describe(from_bytes(task.picture, "the picture").image)

    def _settings(self, task: Edit) -> dict[str, Any]:
        """The settings by hand; for auto those of the methods it chooses from."""
        return dict(task.settings) if task.method != AUTO else {}


def _mask(task: Edit) -> Image.Image | None:
    return None if task.mask is None else mask_from_bytes(task.mask, "the mask").image


def _beside(task: Edit) -> dict[str, Any]:
    """The pictures beside the one that is edited, by their arguments' names."""
    found: dict[str, Any] = {}
    if task.foreground is not None:
        found["foreground"] = mask_from_bytes(task.foreground, "the foreground").image
    if task.reference is not None:
        found["reference"] = from_bytes(task.reference, "the reference")
    return found


def _made(result: EditResult) -> Made:
    return Made(
        png_bytes(result.image, result.recipe), result.recipe, tuple(result.notes), result.seconds,
        result.evaluations, result.untouched, None if result.changed is None else png_bytes(result.changed),
    )  # fmt: skip

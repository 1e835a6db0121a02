"""The pictures of a study, by names that tell nothing."""

from __future__ import annotations

import hmac
import io
from threading import Lock

from PIL import Image

from retouch.runs.files import BadRun
from retouch.runs.manifest import Record
from retouch.runs.run import Run
from retouch.study.questions import BadStudy, Shown, pictures
from retouch.study.store import Study

_KEPT = 256 * 2**20  # bytes of pictures in memory: what some dozens of raters look at


class Album:
    """Every picture that the questions show; no other file can be had from it.

    Raises:
        BadStudy: when an edit is not there any more.
    """

    def __init__(self, run: Run, study: Study) -> None:
        self._run, self._secret = run, study.secret
        shown = {one for question in study.questions for one in pictures(question)}
        for one in shown:
            if one.part == "edit" and not run.edit_path(_record(one)).is_file():
                raise BadStudy(
                    f"the study asks about {str(run.edit_path(_record(one)))!r}, which is not there: run it again."
                )
        self._shown = {self.name(one): one for one in shown}
        self._kept, self._lock = dict[str, bytes](), Lock()

    def name(self, shown: Shown) -> str:
        """A keyed digest of what is shown: 32 hexadecimal digits."""
        return hmac.digest(self._secret, repr(tuple(shown)).encode(), "sha256").hex()[:32]

    def png(self, name: str) -> bytes | None:
        """The picture of that name as PNG, its pixels alone: the file's own texts say by which method it is.

        Returns:
            None when the study has no such picture.

        Raises:
            BadPicture, BadRun: when it cannot be read.
        """
        if name not in self._shown:
            return None
        with self._lock:
            found = self._kept.get(name)
        if found is None:
            found = self._drawn(name)
        with self._lock:  # the last one looked at comes last, and the first one goes
            self._kept.pop(name, None)
            self._kept[name] = found
            while sum(map(len, self._kept.values())) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return found

    def _drawn(self, name: str) -> bytes:
        shown, file = self._shown[name], io.BytesIO()
        self._image(shown).save(file, "PNG", compress_level=3)  # the file's texts are not written again
        return file.getvalue()

    def _image(self, shown: Shown) -> Image.Image:
        if shown.part == "edit":
            found: Image.Image | None = self._run.edit(_record(shown))
        else:
            case = self._run.case(shown.case)
            found = None if case is None else case.truth if shown.part == "truth" else case.picture
        if found is None:
            raise BadRun(f"the case {shown.case!r} lacks a picture: the run is damaged, begin it anew.")
        return found


def _record(shown: Shown) -> Record:
    return Record(shown.case, "", shown.method, shown.seed, 0, 0)

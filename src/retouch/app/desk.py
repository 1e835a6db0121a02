"""The studio without a page: what visitors ask becomes jobs, and what comes out goes into their visits."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from retouch.app.about import About
from retouch.app.fields import text
from retouch.app.forms import BESIDE, Forms, form_of
from retouch.app.grid import grid, numbers, seeds
from retouch.app.outcome import Does, keep, run
from retouch.app.pictures import opened, opened_mask
from retouch.app.queue import Job, Queue
from retouch.app.tasks import Caption, Edit, Mark, Sweep, Task
from retouch.app.visits import IDLE, Drawn, Node, NoVisit, Visit, Visits, drawn_of
from retouch.errors import BadParameter, BadPicture
from retouch.picture import png_bytes

_KEPT_JOBS = 40
"""Jobs that are over and still listed."""


class Desk:
    """Takes what visitors ask, and keeps what comes out.

    Args:
        about: what can be done.
        workshop: what does it.
        idle: seconds after which a visit is forgotten.
    """

    def __init__(self, about: About, workshop: Does, idle: float = IDLE) -> None:
        self.about, self.forms = about, Forms(about)
        self.visits = Visits(idle, self._gone)
        self.queue: Queue[Task] = Queue(lambda job: run(workshop, job), self._ended)

    def bring(self, visit: Visit, data: bytes, name: str) -> None:
        """A picture from the browser becomes the one that is edited; one with a recipe inside brings its settings.

        Raises:
            BadPicture: when it is none, or too large.
        """
        picture, recipe = opened(data, name)
        png = png_bytes(picture.image)
        drawn = drawn_of(png)
        with visit.lock:
            node = self._begin(visit, png, picture.image.size, name, picture.notes, drawn)
            if recipe is not None and recipe.get("target"):
                form, notes = self.forms.of_recipe(recipe)
                visit.bring_back(form)
                visit.say(f"{name} is an edit, and its settings are back: to make it again choose the picture that it "
                          "was made from.", *picture.notes, *notes)  # fmt: skip
                return
            visit.say(*(picture.notes or (f"{name} is open.",)))
            if self.about.captions:
                self._add(visit, Job(visit.token, Caption(png), "caption", "looking at the picture", node.number))

    def paint(self, visit: Visit, sentence: str, number: int) -> None:
        """A scene of the painted world becomes the picture that is edited.

        Raises:
            BadParameter: where the model does not know that world.
            BadPrompt: when the sentence describes no scene.
        """
        from retouch.diorama.captions import caption, scene_for
        from retouch.diorama.painter import paint

        if not self.about.scenes:
            raise BadParameter("scenes are painted for the embedded model alone: open a picture.")
        scene = scene_for(text(sentence, "the scene"), number)
        image, _ = paint(scene)
        with visit.lock:
            self._begin(visit, png_bytes(image), image.size, caption(scene), ())
            visit.bring_back({"source": caption(scene)})

    def mark(self, visit: Visit, word: str, points: object, prompt: str = "") -> None:
        """Adds a thing to the mask, by a word (of a prompt) or by points (x, y) in 0..1 of the picture's sides.

        Raises:
            BadParameter: when nothing is named, or a point lies outside.
        """
        node = self.current(visit)
        prompt, word = text(prompt, "what it shows"), text(word, "the word", 200)
        places: list[tuple[float, float]] = []
        if not isinstance(points, list | tuple) or len(points) > 50:
            raise BadParameter("the points are not understood: reload the page.")
        for point in points:
            ok = isinstance(point, list | tuple) and len(point) == 2 and all(_inside(value) for value in point)
            if not ok:
                raise BadParameter("a point lies outside the picture: click on it.")
            places.append((point[0] * (node.size[0] - 1), point[1] * (node.size[1] - 1)))
        if bool(word) == bool(places):
            raise BadParameter("nothing says what to mark: write a word, or click on the picture.")
        task = Mark(node.picture, word, prompt, tuple(places))
        self._add(visit, Job(visit.token, task, "mark", f"looking for {word or 'what is there'}", node.number))

    def set_mask(self, visit: Visit, data: bytes) -> None:
        """A mask from the browser in place of the one before; one that marks nothing takes it away.

        Raises:
            BadPicture: when it is none.
        """
        mask = None if not data else opened_mask(data)
        with visit.lock:
            visit.mask = None if mask is None else png_bytes(mask.image)
            visit.masks += 1
            visit.changes += 1

    def set_beside(self, visit: Visit, name: str, data: bytes) -> None:
        """A picture beside the one that is edited, by a name of :data:`retouch.app.forms.BESIDE`; none takes it away.

        Raises:
            BadPicture: when it is none.
            BadParameter: when there is no such name.
        """
        if name not in BESIDE:
            raise BadParameter("this is not understood: reload the page.")
        read = (lambda: opened_mask(data)) if name == "foreground" else (lambda: opened(data, "the picture")[0])
        png = png_bytes(read().image) if data else None
        with visit.lock:
            visit.beside.pop(name, None)
            if png is not None:
                visit.beside[name] = png
            visit.changes += 1

    def mask_is_subject(self, visit: Visit) -> None:
        """The mask says where the subject is from now on, and no longer where the edit may happen.

        Raises:
            BadParameter: when there is no mask.
        """
        with visit.lock:
            if visit.mask is None:
                raise BadParameter("there is no mask to take: paint the subject, or mark it by a word or a click.")
            visit.beside["foreground"], visit.mask = visit.mask, None
            visit.masks += 1
            visit.changes += 1

    def edit(self, visit: Visit, form: Mapping[str, Any]) -> None:
        """One edit of the current picture.

        Raises:
            BadPrompt, BadParameter, Full: each a sentence for the visitor.
        """
        node, edit = self._read(visit, form)
        if any(job.task == edit and not job.over for job in visit.jobs):
            visit.say("this edit is on its way already.")
            return
        self._add(visit, Job(visit.token, edit, edit.method, edit.target, node.number))

    def grid(self, visit: Visit, form: Mapping[str, Any], strengths: str, others: str, methods: object) -> None:
        """Edits in every combination of prompts, strengths, seeds and methods.

        Raises:
            BadPrompt, BadParameter, Full: each a sentence for the visitor.
        """
        names = [str(name) for name in methods] if isinstance(methods, list | tuple) else []
        for name in names:
            self.forms.method(name)
        node, edit = self._read(visit, form, choices=True)
        found = grid(
            edit, numbers(text(strengths, "strengths"), "strengths", 0, 1), seeds(text(others, "seeds")), names
        )  # fmt: skip
        jobs = [Job[Task](visit.token, self.forms.beside(one, visit.beside), one.method, label, node.number)
                for label, one in found]  # fmt: skip
        self._add(visit, *jobs)

    def sweep(self, visit: Visit, form: Mapping[str, Any], etas: str, others: str) -> None:
        """A fit, and an edit from it for every eta and seed.

        Raises:
            BadPrompt, BadParameter, Full: each a sentence for the visitor.
        """
        node, edit = self._read(visit, form)
        method = self.forms.method(edit.method)
        if method is None or not method.fits:
            those = ", ".join(one.name for one in self.about.methods.values() if one.fits)
            raise BadParameter(f"{edit.method} makes no fit to sweep over: choose one of {those}.")
        if edit.region:
            raise BadParameter("a fit is of the whole picture: leave the thing to edit around out, or paint a mask.")
        if edit.upscaler:
            raise BadParameter("samples of a fit are enlarged by Lanczos: choose no upscaler.")
        values = numbers(text(etas, "eta"), "eta", *method.etas) if method.etas else []
        chosen = seeds(text(others, "seeds")) or [edit.seed]
        if max(1, len(values)) * len(chosen) > 36:
            raise BadParameter("these are more than 36 edits: give fewer values of eta, or fewer seeds.")
        self._add(visit, Job(visit.token, Sweep(edit, tuple(values), tuple(chosen)), f"sweep {edit.method}",
                             f"{edit.target}: fit and sweep", node.number))  # fmt: skip

    def cancel(self, visit: Visit, number: int | None = None) -> None:
        """Ends one of the visit's jobs, or all of them."""
        with visit.lock:
            jobs = [job for job in visit.jobs if not job.over and number in (None, job.number)]
        for job in jobs:
            self.queue.cancel(job)

    def go_on(self, visit: Visit, number: int) -> None:
        """The picture that is edited from now on is one of the history.

        Raises:
            BadParameter: when it is not there any more.
        """
        with visit.lock:
            node = self.node(visit, number)
            visit.current = node.number
            visit.changes += 1
            if node.made is not None:
                visit.bring_back({"source": str(node.made.recipe.get("target") or "")})

    def look_at(self, visit: Visit, number: int) -> None:
        """Shows an edit of the history."""
        with visit.lock:
            visit.shown = self.node(visit, number).number
            visit.changes += 1

    def restore(self, visit: Visit, number: int) -> None:
        """The settings of an edit of the history go back into the form."""
        with visit.lock:
            made = self.node(visit, number).made
            if made is not None:
                form, notes = self.forms.of_recipe(made.recipe)
                visit.bring_back(form)
                visit.say(*notes)

    def node(self, visit: Visit, number: int) -> Node:
        """A picture of the visit's history.

        Raises:
            BadParameter: when it is not there any more.
        """
        if number not in visit.nodes:
            raise BadParameter("this picture is no longer in the history.")
        return visit.nodes[number]

    def current(self, visit: Visit) -> Node:
        """The picture that is edited.

        Raises:
            BadPicture: when there is none yet.
        """
        if visit.current is None:
            raise BadPicture("there is no picture yet: open one, paste one, or choose a scene.")
        return self.node(visit, visit.current)

    def close(self) -> None:
        """Ends the line."""
        self.queue.close()

    def _begin(
        self,
        visit: Visit,
        png: bytes,
        size: tuple[int, int],
        label: str,
        notes: tuple[str, ...],
        drawn: Drawn | None = None,
    ) -> Node:
        node = visit.add(png, size, label, notes=notes, drawn=drawn)
        visit.current, visit.shown, visit.mask = node.number, None, None
        visit.beside.pop("foreground", None)
        visit.masks += 1
        visit.changes += 1
        return node

    def _read(self, visit: Visit, form: Mapping[str, Any], choices: bool = False) -> tuple[Node, Edit]:
        """The current picture and the edit that is wanted; the form is noted, to be there after a reload, too."""
        with visit.lock:
            node = self.current(visit)
            edit = self.forms.edit(form, node.picture, visit.mask, choices)
            visit.form = form_of(edit)
            return node, self.forms.beside(edit, visit.beside)

    def _add(self, visit: Visit, *jobs: Job[Task]) -> None:
        with visit.lock:
            group = visit.next_group()
            for job in jobs:
                job.group = group
            over = [job for job in visit.jobs if job.over]
            self.queue.add(*jobs)
            visit.jobs = [job for job in visit.jobs if job not in over[: max(0, len(over) - _KEPT_JOBS)]] + list(jobs)
            visit.changes += 1

    def _ended(self, job: Job[Task]) -> None:
        with suppress(NoVisit):  # gone meanwhile, and what came out with it
            keep(self.visits.of(job.visitor, looking=False), job)

    def _gone(self, visit: Visit) -> None:
        for job in visit.jobs:
            self.queue.cancel(job)


def _inside(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1

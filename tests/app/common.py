"""A studio for tests: its methods, a workshop that does what it is told, and pictures."""

import io
import threading
import time
from dataclasses import replace

from PIL import Image

from retouch.app.about import About, AboutMethod, AboutPart
from retouch.app.desk import Desk
from retouch.app.tasks import Caption, Edit, Found, Made, Mark, Preview, Progress
from retouch.app.workshop import Cancelled
from retouch.parameters import Parameter
from retouch.picture import png_bytes

STEPS = Parameter("num_inference_steps", "whole number", 20, "how many", 1, 1000, unit="steps")
PARAMETERS = (
    STEPS,
    Parameter("scale", "number", 7.5, "how strongly", 0, 50),
    Parameter("kind", "choice", "soft", "how", choices=("soft", "hard")),
    Parameter("masked", "yes or no", True, "whether"),
    Parameter("words", "text", "", "which <words>"),
    Parameter("threshold", "number", None, "or by itself", 0, 1, optional=True),
)


def method(name, **more):
    about = {"title": name.title(), "group": "All", "advice": "a <b> test", "needs_source": True, "fits": False,
             "etas": None, "weighs": False, "parameters": PARAMETERS}  # fmt: skip
    return AboutMethod(name, **{**about, **more})


QUANTILE = Parameter("quantile", "number", None, "left open", 0, 1, optional=True)
PARTS = {
    "inversion": {"up": AboutPart("up", "goes up", parameters=(replace(STEPS, name="inner_steps"),))},
    "control": {
        "all": AboutPart("all", "shares all", parameters=PARAMETERS[2:3]),
        "subject": AboutPart("subject", "shares the subject", takes_foreground=True),
    },
    "guidance": {
        "plain": AboutPart("plain", "one scale", parameters=PARAMETERS[1:2]),
        "proximal": AboutPart("proximal", "a threshold", parameters=(QUANTILE,)),
    },
}
MADE_OF = {"inversion": "up", "control": "all", "guidance": "plain"}
ABOUT = About(
    "diorama",
    {
        "plain": method("plain", parts=MADE_OF),
        "free": method("free", needs_source=False),
        "fitted": method("fitted", fits=True, etas=(0, 1), group="Slow", takes=("foreground", "reference")),
    },
    captions=True, scenes=True, clicks=True, parts=PARTS, upscalers=("owner/upscaler",),
)  # fmt: skip


def png(size=(16, 12), colour="red", recipe=None):
    return png_bytes(Image.new("RGB", size, colour), recipe)


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


class Told:
    """Does tasks at once; waits where it is told to, and looks at every step whether it is to end."""

    def __init__(self):
        self.done, self.seen, self.free = [], threading.Event(), threading.Event()
        self.free.set()

    def do(self, task, tell, cancelled):
        self.done.append(task)
        tell(Progress(1, 4))
        tell(Preview(b"a picture"))
        self.seen.set()
        while not self.free.is_set():
            if cancelled():
                raise Cancelled
            time.sleep(0.005)
        if isinstance(task, Caption):
            return "a red square"
        if isinstance(task, Mark):
            return Found(png_bytes(Image.new("L", (16, 12), 255)), ("found it.",))
        edits = [task] if isinstance(task, Edit) else [task.edit] * (max(1, len(task.etas)) * len(task.seeds))
        return tuple(made(one) for one in edits)


def made(edit):
    recipe = {"model": "diorama", "method": edit.method, "parameters": dict(edit.settings), "source": edit.source,
              "target": edit.target, "seed": edit.seed, "keep": edit.keep}  # fmt: skip
    changed = Image.new("L", (16, 12))
    changed.paste(255, (2, 2, 10, 10))
    return Made(png(recipe=recipe), recipe, ("a note.",), 1.0, 8, 0.5, png_bytes(changed))


def desk(workshop=None, **more):
    return Desk(ABOUT, workshop or Told(), **more)


def until(true, seconds=10.0):
    """Waits for something that happens in another thread."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def settled(desk_, visit):
    until(lambda: all(job.settled for job in visit.jobs))


FORM = {"source": "a red square", "target": "a blue square", "negative": "", "method": "plain", "settings": {},
        "strength": 1, "keep": "auto", "seed": "3", "region": "", "size": "", "parts": {}, "upscaler": ""}  # fmt: skip

"""Small work for the runner: two quick methods, four painted cases."""

from retouch.diorama.suite import DioramaSuite
from retouch.runs.edits import local
from retouch.runs.environment import environment
from retouch.runs.manifest import Manifest
from retouch.runs.variants import read_variants

FAST = ["ddim:num_inference_steps=2", "sdedit:num_inference_steps=2"]


SUITE = DioramaSuite(["colour", "pose"], count=2)


def manifest(editor, variants=FAST, seeds=(0,), suite=SUITE):
    methods = {
        label: {"method": one.method, "settings": dict(one.settings)}
        for label, one in read_variants([], variants).items()
    }
    model = {"name": editor.model.name, "fingerprint": editor.model.fingerprint}
    return Manifest(suite.identity, model, methods, list(seeds), environment(editor.model.device))


class Counting:
    """The local executor, which remembers what it was asked for and can break off."""

    def __init__(self, editor, stop_after=None):
        self.execute, self.asked, self.stop_after = local(editor), [], stop_after

    def __call__(self, works):
        for made in self.execute(works):
            if self.stop_after is not None and len(self.asked) == self.stop_after:
                raise RuntimeError("the machine fails")
            self.asked.append(made.record.key)
            yield made

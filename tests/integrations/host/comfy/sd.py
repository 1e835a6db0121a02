"""A loaded checkpoint, and how the host writes it."""

import shutil

written = []


class Loaded:
    """In place of the host's MODEL, CLIP and VAE: the file, and how it is sampled."""

    def __init__(self, path, sampling):
        self.path, self.sampling = path, sampling

    def get_model_object(self, name):
        return {"model_sampling": self.sampling}[name]


def save_checkpoint(output_path, model, clip=None, vae=None, clip_vision=None, metadata=None, extra_keys=None):
    assert model.path == clip.path == vae.path
    shutil.copy(model.path, output_path)
    written.append(output_path)

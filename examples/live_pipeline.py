"""Edit with a live diffusers pipeline, fit low-rank adapters, and load them into it as a LoRA."""

import sys
from pathlib import Path

from diffusers import StableDiffusionPipeline

from retouch.backbone.load import EMBEDDED_FOLDER
from retouch.diorama import paint, scene_for
from retouch.pipelines import RetouchPipeline

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
picture, _ = paint(scene_for("a red cat sitting on a beach", seed=3))

pipe = StableDiffusionPipeline.from_pretrained(EMBEDDED_FOLDER)  # or any other of Stable Diffusion 1.x or 2.x
pipe.set_progress_bar_config(disable=True)
edit = RetouchPipeline.from_pipe(pipe)

out = edit(
    prompt=["a blue cat sitting on a beach", "a green cat sitting on a beach"],
    image=picture,
    source_prompt="a red cat sitting on a beach",
    method="ddim",
    num_inference_steps=20,
)
for name, image in zip(("blue", "green"), out.images, strict=True):
    image.save(folder / f"live-{name}.png")
print(f"{sum(result.evaluations for result in out.results)} network evaluations, the inversion made once")

fit = edit.fit("a red cat jumping on a beach", picture, adapter_rank=8, embedding_steps=20, network_steps=20)
fit.save_lora(folder / "jump.safetensors", force=True)
pipe.load_lora_weights(folder / "jump.safetensors")
drawn = pipe(prompt_embeds=fit.embeds["optimised"], negative_prompt="", num_inference_steps=20).images[0]
drawn.save(folder / "live-jump.png")

"""A stand-in for the interface that ComfyUI gives to packs of nodes."""

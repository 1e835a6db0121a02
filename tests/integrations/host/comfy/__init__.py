"""A stand-in for the modules of ComfyUI that the pack calls."""

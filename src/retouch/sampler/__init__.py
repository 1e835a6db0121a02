"""How a prediction becomes the latents of the next noise level."""

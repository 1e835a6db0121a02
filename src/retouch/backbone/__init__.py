"""A diffusion model as the methods see it."""

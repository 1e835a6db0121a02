"""The editing systems, one short file each: a choice of inversion, control and guidance."""

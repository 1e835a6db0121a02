"""How fast methods are on a device: seconds, pictures per second, memory, and the share of what the device could do."""

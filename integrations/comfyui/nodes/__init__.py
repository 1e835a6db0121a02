"""The nodes, and what they share: fields from declared parameters, pictures from tensors, the host's progress."""

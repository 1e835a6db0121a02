"""What the branches share inside the network."""

"""What the parts of a method are, and the language they speak with the loop that runs them."""

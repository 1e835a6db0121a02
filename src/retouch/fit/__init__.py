"""What is optimised for one picture: embeddings and weights, the loop that fits them, and the file they are kept in."""

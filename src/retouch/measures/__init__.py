"""Measures of edits: small functions of batches of pictures, and the table that names them."""

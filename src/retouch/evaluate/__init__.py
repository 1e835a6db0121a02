"""Measures of edits, and methods compared on one picture."""

"""Suites: which edits a benchmark asks for, and where their pictures are."""

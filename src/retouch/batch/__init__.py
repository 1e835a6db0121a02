"""Batches: many edits from a table or a folder, made by the executors that runs of suites have."""

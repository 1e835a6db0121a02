"""Runs of suites: made, resumed, measured, and kept in a folder that reports and studies read."""

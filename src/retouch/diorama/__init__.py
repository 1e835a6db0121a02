"""Diorama: a procedurally painted world whose every picture is known exactly, and the small model trained on it."""

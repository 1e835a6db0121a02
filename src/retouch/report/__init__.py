"""Reports of runs: one page that answers which method, at what cost; or one table for a paper."""

from retouch.report.gathered import Gathered, gather
from retouch.report.output import write_text
from retouch.report.page import page
from retouch.report.tables import Leaderboard, leaderboard
from retouch.report.text import FORMATS, as_text

__all__ = [
    "FORMATS", "Gathered", "Leaderboard", "as_text", "gather", "leaderboard", "page", "write_text",
]  # fmt: skip

"""Keeping: what an edit did not change is the input's own pixels."""

from retouch.keep.pair import Kept, keep

__all__ = ["Kept", "keep"]

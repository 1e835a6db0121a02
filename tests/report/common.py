"""What several tests of reports use."""

import json
import re

import numpy as np
from PIL import Image

from retouch.report.statistics import estimates
from retouch.suites.suite import Case, Entry


def tiny_cases(count):
    picture = Image.new("RGB", (8, 8), "teal")
    return [Case(Entry(f"case-{i:03}", f"kind {i % 4}", "a red cat"), picture) for i in range(count)]


def estimated(values, cases, groups=None, of=1, **more):
    """Of one quantity."""
    groups = np.zeros(len(values), int) if groups is None else np.asarray(groups)
    return estimates(np.asarray(values, float)[:, None], np.asarray(cases), groups, of, **more)


def read(text):
    """What the page's script reads."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])

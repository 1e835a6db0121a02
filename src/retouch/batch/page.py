"""A batch's summary as one page that needs nothing else: failures first, then before and after of every edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ --back: #fafaf8; --card: #ffffff; --ink: #1d2126; --soft: #59616b; --line: #dcdfe3; --accent: #1f5fbf;
  --bad: #a3261c; }}
@media (prefers-color-scheme: dark) {{ :root {{ --back: #15181c; --card: #1d2126; --ink: #e8eaed; --soft: #a3acb8;
  --line: #363d46; --accent: #84b4ff; --bad: #ff8f84; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.25rem clamp(0.75rem, 2.5vw, 2rem) 3rem; max-width: 90rem; background: var(--back);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: anywhere; }}
h1 {{ margin: 0 0 0.4rem; font-size: 1.55rem; line-height: 1.25; }}
h2 {{ margin: 1.4rem 0 0.5rem; font-size: 1.15rem; }}
a {{ color: var(--accent); }}
p, dl {{ margin: 0.15rem 0; }}
.soft {{ color: var(--soft); font-size: 0.85rem; }}
.bad {{ color: var(--bad); }}
ul.failures {{ list-style: none; margin: 0; padding: 0; }}
.failures li, article {{ background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 0.8rem;
  margin: 0 0 0.7rem; }}
.failures li {{ border-left: 4px solid var(--bad); }}
.edits {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 0.8rem; }}
article {{ margin: 0; min-width: 0; }}
.pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: 2px; margin-bottom: 0.5rem; }}
.pair img {{ width: 100%; height: auto; display: block; border-radius: 4px; }}
</style>
</head>
<body>
<main>
"""


def page(title: str, results: Sequence[Mapping[str, Any]], thumbs: Mapping[str, Sequence[str]]) -> str:
    """The whole page; every text in it is escaped.

    Args:
        results: as :data:`retouch.batch.run.Result`, in the order of the rows.
        thumbs: by output, data URIs of before and after, "" for none.
    """
    made = [one for one in results if one["status"] == "made"]
    failed = [one for one in results if one["status"] == "failed"]
    left = len(results) - len(made) - len(failed)
    seconds = sum(one["seconds"] or 0 for one in made)
    facts = [f"{len(made)} of {len(results)} edits are there", f"{_time(seconds)} in all"]
    facts += [f"{left} not made yet"] if left else []
    text = [_HEAD.format(title=escape(title)), f"<h1>{escape(title)}</h1>", f'<p class="soft">{"; ".join(facts)}.</p>']
    if failed:
        text += [f'<h2 class="bad">{len(failed)} failed</h2>', '<ul class="failures">', *map(_failure, failed), "</ul>"]
    if made:
        text.append("<h2>Before and after</h2>")
        text += ['<div class="edits">', *(_edit(one, *thumbs.get(one["output"], ("", ""))) for one in made), "</div>"]
    return "\n".join([*text, "</main>", "</body>", "</html>", ""])


def _failure(one: Mapping[str, Any]) -> str:
    return (
        f"<li><p><b>{escape(one['picture'])}</b>, {escape(one['row'])}: {_texts(one)}</p>"
        f'<p class="bad">{escape(one["error"])}</p></li>'
    )


def _edit(one: Mapping[str, Any], before: str, after: str) -> str:
    pictures = "".join(
        f'<img src="{escape(uri)}" alt="{label}: {escape(text)}" loading="lazy">'
        for uri, label, text in ((before, "before", one["source"] or one["picture"]), (after, "after", one["target"]))
        if uri
    )
    cost = [
        "" if one["seconds"] is None else f"{one['seconds']:.1f} s",
        "" if one["untouched"] is None else f"{one['untouched']:.0%} of the pixels untouched", f"seed {one['seed']}",
    ]  # fmt: skip
    chosen = "" if one["asked"] == one["method"] else f" ({one['asked']})"
    settings = ", ".join(f"{name} {value}" for name, value in one["settings"].items())
    lines = [
        f'<a href="{escape(quote(one["output"]))}">{escape(one["output"])}</a>, {escape(one["row"])}',
        _texts(one),
        f"{escape(str(one['method']))}{escape(chosen)}{escape(f': {settings}' if settings else '')}",
        "; ".join(filter(None, cost)),
        *map(escape, one["notes"]),
    ]
    told = "".join(f"<p{' class=soft' if i > 1 else ''}>{line}</p>" for i, line in enumerate(lines))
    return f'<article><div class="pair">{pictures}</div>{told}</article>'


def _texts(one: Mapping[str, Any]) -> str:
    source = escape(one["source"] or "")
    proposed = ' <span class="soft">(proposed)</span>' if one.get("captioned") else ""
    return f"{source}{proposed} → {escape(one['target'])}" if source else f"→ {escape(one['target'])}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"

"""What results show of themselves in a notebook: HTML that stands by itself, with nothing loaded from elsewhere."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from PIL import Image

SIDE = 1024
"""The longer side of a picture in a page, in pixels; larger ones are shown smaller."""
_EXACT = 256  # up to this side a picture is shown to the byte, and no smaller than this on the screen
_QUALITY = 90  # of the JPEG that larger ones are shown as
_OVER = "position:absolute;left:0;top:0;width:100%;height:100%;margin:0;"
_LABEL = (
    "position:absolute;top:4px;padding:0 6px;border-radius:3px;font:12px sans-serif;color:#fff;"
    "background:rgba(0,0,0,.6);pointer-events:none;"
)
# no ids: several may stand on a page
_MOVE = "this.parentNode.style.setProperty('--retouch-at',this.value+'%')"
_FOCUS = "onfocus=\"this.parentNode.style.outline='3px solid #1a73e8'\" onblur=\"this.parentNode.style.outline=''\""


def shown(image: Image.Image) -> Image.Image:
    """A picture at the size at which a page shows it, RGB."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return small


def png(image: Image.Image) -> bytes:
    """A picture for a notebook that shows no HTML."""
    out = io.BytesIO()
    shown(image).save(out, "PNG")
    return out.getvalue()


def picture(image: Image.Image, alt: str, style: str = "") -> str:
    """An ``<img>`` that holds its picture."""
    small, out = shown(image), io.BytesIO()
    if max(small.size) <= _EXACT:
        small.save(out, "PNG")
        kind = "png"
    else:
        small.save(out, "JPEG", quality=_QUALITY)
        kind = "jpeg"
    return (
        f'<img alt="{escape(alt)}" style="display:block;max-width:none;{style}" '
        f'src="data:image/{kind};base64,{b64encode(out.getvalue()).decode()}">'
    )


def slider(before: Image.Image, after: Image.Image) -> str:
    """Two pictures in one place: a slider, which the arrow keys move, too, uncovers the one or the other."""
    width, height = shown(before).size
    wide = max(width, round(width * _EXACT / max(width, height)))
    uncovered = "clip-path:inset(0 calc(100% - var(--retouch-at)) 0 0);"
    bar = (
        "position:absolute;top:0;bottom:0;left:var(--retouch-at);width:2px;margin-left:-1px;"
        "background:#fff;box-shadow:0 0 2px #000;pointer-events:none;"
    )
    return (
        f'<div style="--retouch-at:50%;position:relative;width:{wide}px;max-width:100%;aspect-ratio:{width}/{height};'
        'overflow:hidden;">'
        + picture(after, "after", _OVER)
        + picture(before, "before", _OVER + uncovered)
        + f'<span style="{_LABEL}left:4px;">before</span><span style="{_LABEL}right:4px;">after</span>'
        f'<div style="{bar}"></div>'
        '<input type="range" min="0" max="100" step="0.5" value="50" aria-label="how much of the picture before is '
        f'shown" oninput="{_MOVE}" {_FOCUS} style="{_OVER}opacity:0;cursor:ew-resize;"></div>'
    )


def notes(sentences: Sequence[str]) -> str:
    """Sentences as a list; nothing where there are none."""
    items = "".join(f"<li>{escape(one)}</li>" for one in sentences)
    return f"<ul>{items}</ul>" if items else ""


def line(text: str) -> str:
    """A line of text."""
    return f"<div>{escape(text)}</div>"


def folded(summary: str, content: Mapping[str, Any]) -> str:
    """What is JSON-ready, folded away below a summary."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    return (
        f'<details><summary style="cursor:pointer;">{escape(summary)}</summary>'
        f'<pre style="max-height:24em;overflow:auto;">{escape(text)}</pre></details>'
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows that have the same columns; numbers in two digits, nothing where there is no value."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(_cell(v))}</td>" for v in row.values()) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def block(*parts: str) -> str:
    """What belongs together."""
    return f'<div class="retouch-result">{"".join(parts)}</div>'

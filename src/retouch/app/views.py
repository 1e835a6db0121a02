"""What a visitor's page shows of the visit, as JSON: pictures by their numbers, jobs with place and expected wait."""

from __future__ import annotations

from typing import Any

from retouch.app.desk import Desk
from retouch.app.queue import Job
from retouch.app.tasks import Task
from retouch.app.visits import Node, Visit


def state(desk: Desk, visit: Visit) -> dict[str, Any]:
    """All that the page shows; nothing of other visitors but how many edits are ahead."""
    with visit.lock:
        return {
            "key": visit.key,
            "changes": visit.changes,
            "current": visit.current,
            "shown": visit.shown,
            "mask": visit.masks if visit.mask is not None else 0,
            "beside": sorted(visit.beside),
            "brought": len(visit.brought),
            "said": list(visit.said),
            "says": visit.says,
            "bad": visit.bad,
            "pictures": [_picture(node) for node in visit.nodes.values()],
            "jobs": [_job(desk, job) for job in visit.jobs if not job.settled],
        }


def _picture(node: Node) -> dict[str, Any]:
    made = node.made
    about: dict[str, Any] = {
        "number": node.number, "parent": node.parent, "label": node.label, "width": node.size[0],
        "height": node.size[1], "group": node.group, "outline": node.outline is not None, "edit": made is not None,
    }  # fmt: skip
    if made is not None:
        about |= {
            "method": str(made.recipe.get("method", "")), "seed": made.recipe.get("seed"),
            "seconds": round(made.seconds, 1), "untouched": made.untouched, "notes": list(made.notes),
        }  # fmt: skip
    return about


def _job(desk: Desk, job: Job[Task]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "number": job.number, "label": job.label, "state": job.state, "ending": job.cancelled.is_set(),
    }  # fmt: skip
    if job.state == "waiting":
        return about | {"ahead": desk.queue.place(job), "wait": round(desk.queue.wait(job), 1)}
    return about | {
        "done": job.done, "total": job.total, "detail": job.detail, "previews": job.previews,
        "left": round(desk.queue.left(job), 1), "parent": job.parent,
    }  # fmt: skip

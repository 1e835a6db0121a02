"""How the studio bears many visitors: `python benchmarks/studio.py` starts one, visits it, and writes studio.json.

Before the crowd comes: seconds until the page can be visited, and from the button to the first preview and the edit.
Then 20 visitors for 5 minutes edit as fast as they get answers, each with a picture of their own, and look at the state
every 350 ms as the page does. Everything asked must come out or be cancelled by who asked; a picture that is not the
visitor's own is counted as lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from retouch.diorama import paint, scene_for
from retouch.picture import png_bytes, recipe_from_bytes

HERE = Path(__file__).parent
LOOK = 0.35  # seconds, as the page
COLOURS = ("orange", "yellow", "green", "blue", "purple", "white", "black")
METHODS = ("auto", "sdedit", "ddim", "prox-npi", "edit-friendly")


@dataclass
class Counts:
    asked: int = 0
    done: int = 0
    cancelled: int = 0
    lost: list[str] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


class Visitor:
    """Somebody at the page."""

    def __init__(self, address: str, number: int, counts: Counts) -> None:
        self.client = httpx.AsyncClient(base_url=address, timeout=60)
        self.number, self.counts, self.random = number, counts, random.Random(number)
        self.button = 0
        self.source = ""

    async def come(self) -> None:
        """Opens the page and brings a picture."""
        await self.client.get("/")
        config = (await self.client.get("/config")).json()
        edit = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "s-edit")
        self.button = next(one["id"] for one in config["dependencies"] if [edit, "click"] in one["targets"])
        self.source = f"a red {self.random.choice(('cat', 'dog', 'rabbit'))} sitting on a beach"
        picture, _ = paint(scene_for(self.source, self.number))
        await self.client.post("/studio/bring?name=mine.png", content=png_bytes(picture))
        while (await self.look())["jobs"]:
            await asyncio.sleep(LOOK)

    async def look(self) -> dict[str, Any]:
        began = time.monotonic()
        state = (await self.client.get("/studio/state")).json()
        self.counts.answers.append(time.monotonic() - began)
        return state

    async def press(self, target: str, method: str, seed: int) -> None:
        how = json.dumps({"method": method, "settings": {}})
        data = [self.source, target, "", 1, "auto", str(seed), "", "", how]
        sent = {"data": data, "fn_index": self.button, "session_hash": f"visitor{self.number}"}
        answer = await self.client.post("/gradio_api/run/predict", json=sent)
        answer.raise_for_status()

    async def edit(self, cancels: bool) -> None:
        """One edit, from the button to the picture."""
        colour, seed = self.random.choice(COLOURS), self.random.randrange(10**6)
        target = self.source.replace("red", colour)
        before = {one["number"] for one in (await self.look())["pictures"]}
        began = time.monotonic()
        self.counts.asked += 1
        await self.press(target, self.random.choice(METHODS), seed)
        state = await self.look()
        if cancels:
            await self.client.post("/studio/do", json={"what": "cancel"})
        while state["jobs"]:
            await asyncio.sleep(LOOK)
            state = await self.look()
        new = [one["number"] for one in state["pictures"] if one["number"] not in before]
        if cancels and not new:
            self.counts.cancelled += 1
            return
        await self.check(new, target, state)
        self.counts.waits.append(time.monotonic() - began)

    async def check(self, new: list[int], target: str, state: dict[str, Any]) -> None:
        if len(new) != 1:
            self.counts.lost.append(f"visitor {self.number}: {target}: {state['said']}")
            return
        data = (await self.client.get(f"/studio/picture/{new[0]}.png")).content
        recipe = recipe_from_bytes(data, "the edit")
        if recipe is None or recipe["target"] != target:
            self.counts.lost.append(f"visitor {self.number} got another's picture")
        else:
            self.counts.done += 1

    async def stay(self, until: float) -> None:
        await self.come()
        while time.monotonic() < until:
            await self.edit(cancels=self.random.random() < 0.1)
        await self.client.aclose()


async def alone(address: str) -> dict[str, float]:
    """Seconds from the button to the first preview and to the picture, of one visitor, by the default method."""
    visitor = Visitor(address, 0, Counts())
    await visitor.come()
    seconds: dict[str, float] = {}
    for _ in range(2):  # the second: everything is warm
        began, preview = time.monotonic(), 0.0
        await visitor.press(visitor.source.replace("red", "blue"), "auto", random.randrange(10**6))
        state = await visitor.look()
        while state["jobs"]:
            await asyncio.sleep(0.02)
            state = await visitor.look()
            if not preview and state["jobs"] and state["jobs"][0].get("previews"):
                preview = time.monotonic() - began
        seconds = {"first_preview": round(preview, 2), "edit": round(time.monotonic() - began, 2)}
    return seconds


async def crowd(address: str, visitors: int, minutes: float) -> dict[str, Any]:
    counts = Counts()
    until = time.monotonic() + 60 * minutes
    await asyncio.gather(*(Visitor(address, number, counts).stay(until) for number in range(1, visitors + 1)))
    answers, waits = np.array(counts.answers) * 1000, np.array(counts.waits)
    return {
        "visitors": visitors, "minutes": minutes, "asked": counts.asked, "done": counts.done,
        "cancelled": counts.cancelled, "lost": counts.lost, "looks": len(answers),
        "answer_ms": {"median": round(float(np.median(answers)), 1), "p99": round(float(np.percentile(answers, 99)), 1),
                      "most": round(float(answers.max()), 1)},
        "edit_seconds": {"median": round(float(np.median(waits)), 1), "most": round(float(waits.max()), 1)},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "studio.json")
    given = parser.parse_args()
    began = time.monotonic()
    command = [sys.executable, "-c", "from retouch.cli import main; main()", "app", "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as studio:
        try:
            address = studio.stdout.readline().strip() if studio.stdout else ""
            found: dict[str, Any] = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
            found["load_before"] = round(os.getloadavg()[0], 1)  # of the machine, others' work included
            found["start_seconds"] = round(time.monotonic() - began, 1)
            found |= {"alone_seconds": asyncio.run(alone(address))}
            found |= asyncio.run(crowd(address, given.visitors, given.minutes))
            found["load_after"] = round(os.getloadavg()[0], 1)
        finally:
            studio.terminate()
    given.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))
    sys.exit(1 if found["lost"] or found["asked"] != found["done"] + found["cancelled"] else 0)


if __name__ == "__main__":
    main()

"""The result of a search for a hub's capacity: that of a run, with what a search adds, all reports of which are made again."""

import json
import shutil

from support.made import Made
from support.program import twinstorm

# What each step offered and for what, how much was throttled, and the 99th percentile of the answers.
_STEPS = [
    (10, "double", 0, 1_460), (20, "double", 0, 1_510), (40, "double", 0, 1_730), (80, "double", 50.02, 505_000),
    (56.6, "bisect", 29.3, 502_000), (47.6, "bisect", 16, 498_000), (43.6, "bisect", 8.26, 61_300),
    (41.8, "bisect", 4.29, 3_420), (40, "confirm", 0, 1_690), (41.8, "confirm", 4.31, 3_510),
]


def _step(number, load, purpose, throttled, p99):
    kept = throttled < 1
    longest = {"method.response": p99, "update.overhead": 262_000 + p99 // 2}
    return {
        "number": number, "load": load, "purpose": purpose, "measured_s": 5, "kept": kept,
        "cause": None if kept else "throttled",
        "cause_detail": "" if kept else f"census.throttled.pct < 1 was {throttled}",
        "achieved": load * (1 - throttled / 100), "throttled_pct": throttled,
        "p50_us": {"method.response": 1_080 + number, "update.overhead": 131_000},
        "p99_us": {} if load < 40 or load == 43.6 else longest, "max_us": longest,
        "cpu_percent": load / 4 if kept else None, "took_s": 8.5,
    }


def capacity_of(made, folder):
    results = json.loads(made.file("results.json").read_text())
    results["capacity"] = {
        "of": "calls", "low": 40, "high": 41.8, "unit": "calls/s", "cause": "throttled",
        "cause_detail": "census.throttled.pct < 1 was 4.31 at 41.8 calls/s", "finished": True,
        "notes": ["a note with <b>tags</b> | and pipes"], "precision": 0.05, "width": 0.045,
        "ceiling": {"load": 6500, "measured_at": "2026-11-03T09:00:00Z", "near": False},
        "of_step": 9, "started_at": "2026-11-03T10:19:30Z", "took_s": 96.4,
        "steps": [_step(number, *step) for number, step in enumerate(_STEPS, 1)],
    }
    (folder / "results.json").write_text(json.dumps(results))
    for number in range(1, len(_STEPS) + 1):
        step = folder / f"steps/{number:02}"
        step.mkdir(parents=True)
        shutil.copy(made.file("report.html"), step)
    twinstorm("report", folder)
    return Made("capacity", [], 0, "pass", folder=folder)

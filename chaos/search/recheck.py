"""``python -m chaos.search.recheck LIST...``: run each placement of a certificate again."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import simulator.events as ev
from chaos.history import CallEnded, History
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.loader import parse_scenario
from simulator.documents.emitter import to_yaml
from simulator.faults.effects import CutPoint
from simulator.faults.model import FAULTS, Placed, Refusal


def differences(text: str) -> Iterator[str]:
    """Yield what is wrong with the list of placements of a certificate, one line for each."""
    header, *rows = map(json.loads, text.splitlines())
    listed = {json.dumps([row["seed"], row["placement"]], sort_keys=True) for row in rows}
    roots = [[header["scenario"].get("seed", 0) + n, []] for n in range(header["schedules"])]
    yield from (f"{root} is not in the list" for root in roots if json.dumps(root) not in listed)
    for seed, placement, row in ((each["seed"], each["placement"], each) for each in rows):
        history, *found = _run(header["scenario"], placement, seed)
        if found != [row[key] for key in ("verdict", "frames", "outcomes", "logs")]:
            yield f"{placement} differs: {found}"
        for letter in _letters(header, placement, history):
            child = json.dumps([seed, [*placement, letter]], sort_keys=True)
            if len(placement) < header["faults"] and child not in listed:
                yield f"{child} is not in the list"


def _run(data: dict[str, Any], placement: list[Any], seed: int) -> list[Any]:
    placed = [each.items() for each in placement if "steps" not in each]
    named = [{k: {**v, "name": f"placed-{n}"} for k, v in f} for n, f in enumerate(placed, 1)]
    steps: list[Any] = []
    for n in range(len(data["workload"]) + 1):
        steps += [step for each in placement if each.get("before") == n for step in each["steps"]]
        steps += data["workload"][n : n + 1]
    whole = {**data, "seed": seed, "faults": data.get("faults", []) + named, "workload": steps}
    history = run_scenario(parse_scenario(to_yaml(whole), "placement").scenario())
    frames = [e for _, e in _events(history) if isinstance(e, ev.FrameRead | ev.FrameWritten)]
    words = [f"{type(e).__name__} {e.connection} {e.server} {e.api} {e.partition}" for e in frames]
    ids = {record.value or record.key: record.id for record in history.records}
    logs = {str(p): [ids.get(r.value or r.key, -1) for r in history.logs[p]] for p in history.logs}
    verdict = judge(history, example=True).verdict
    return [history, verdict, words, [record.outcome for record in history.records], logs]


def _events(history: History) -> list[tuple[int, Any]]:
    kinds = [type(e) for e in history.events]
    return list(enumerate(history.events[kinds.index(CallEnded) : kinds.index(ev.Healed)]))


def _letters(header: Any, placement: list[Any], history: History) -> Iterator[Any]:
    faults = sum("steps" not in letter for letter in placement)
    last = placement[-1]["before"] if placement and not faults else 0
    for n in range(last, 0 if faults else len(header["scenario"]["workload"]) + 1):
        yield from ({"before": n, "steps": steps} for steps in header["steps"])
    points, struck = _points(history)
    after = max((points[k][0] for k in struck if struck[k] == f"placed-{faults}"), default=-1)
    for key, (n, names, place) in points.items():
        for letter in header["letters"] if n > after and key not in struck else ():
            kind, fields = next(iter(letter.items()))
            fault, at = FAULTS[kind].model_validate(fields), CutPoint(key[1])
            if isinstance(fault, Refusal) and fault.server in names:
                yield {kind: {**fields, **place}}
            if isinstance(fault, Placed) and fault.match.api in names and at in fault.cut_points:
                yield {kind: {**fault.pinned(fields, at, None), **place, "at": at}}


def _points(history: History) -> tuple[dict[Any, Any], dict[Any, str]]:
    points, struck, count = dict[Any, Any](), dict[Any, str](), Counter[Any]()
    for n, e in _events(history):
        key = getattr(e, "transmission", -n), getattr(e, "at", "response")
        if isinstance(e, ev.ConnectionOpened | ev.ConnectRefused):
            count[e.server] += 1
            points[key] = n, (e.server, e.server[:3]), {"server": e.server, "nth": count[e.server]}
        elif isinstance(e, ev.FrameRead):
            named = [c[1] for c in e.carried] or [p for p in [e.partition] if p is not None]
            ways: list[Any] = [{"partition": p} for p in dict.fromkeys(named)]
            ways = ways or [{"connection": e.connection}][e.api == "produce" :]
            count.update((e.api, *way.items()) for way in ways)
            for way in ways[:1]:
                match = way if e.api == "produce" else {**way, "api": e.api}
                keys = {"nth": count[e.api, *way.items()], "match": match}
                points[e.transmission, "request"] = n, (e.api, "all"), keys
        elif (key[0], "request") in points:
            points.setdefault(key, (n, *points[key[0], "request"][1:]))
        if isinstance(e, ev.FaultHit | ev.ConnectRefused):
            struck[key] = e.fault
    return points, struck


if __name__ == "__main__":
    sys.exit("\n".join(w for p in sys.argv[1:] for w in differences(Path(p).read_text())) or 0)

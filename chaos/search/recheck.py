"""``python -m chaos.search.recheck LIST...``: run each placement of a certificate again."""

import json
import sys
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
from simulator.faults.model import FAULTS, Placed


def differences(text: str) -> Iterator[str]:
    """Yield what is wrong with the list of placements of a certificate, one line for each."""
    head, *rows = map(json.loads, text.splitlines())
    listed = {json.dumps([row["seed"], row["placement"]], sort_keys=True) for row in rows}
    roots = [[head["scenario"].get("seed", 0) + n, []] for n in range(head["schedules"])]
    yield from (f"{root} is not in the list" for root in roots if json.dumps(root) not in listed)
    for seed, placement, row in ((each["seed"], each["placement"], each) for each in rows):
        history, *found = _run(head["scenario"], placement, seed)
        if found != [row[key] for key in ("verdict", "frames", "outcomes", "logs")]:
            yield f"{placement} differs: {found}"
        for letter in _letters(head, placement, history) if len(placement) < head["faults"] else ():
            if (child := json.dumps([seed, [*placement, letter]], sort_keys=True)) not in listed:
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
    ids = {record.value or record.key: record.id for record in history.records}
    logs = {str(p): [ids.get(r.value or r.key, -1) for r in history.logs[p]] for p in history.logs}
    verdict = judge(history, example=True).verdict
    return [history, verdict, _points(history)[2], [r.outcome for r in history.records], logs]


def _letters(head: Any, placement: list[Any], history: History) -> Iterator[Any]:
    faults = sum("steps" not in letter for letter in placement)
    last = placement[-1]["before"] if placement and not faults else 0
    for n in range(last, 0 if faults else len(head["scenario"]["workload"]) + 1):
        yield from ({"before": n, "steps": steps} for steps in head["steps"])
    points, struck, _ = _points(history)
    begun = [e for (_, at), (_, e) in points.items() if at == "request"]
    after = max((points[k][0] for k in struck if struck[k] == f"placed-{faults}"), default=-1)
    for key, (n, e) in points.items():
        for letter in head["letters"] if n > after and key not in struck else ():
            kind, fields = next(iter(letter.items()))
            fault, at, way = FAULTS[kind].model_validate(fields), CutPoint(key[1]), _way(fields, e)
            if way[:1] == ("server",):
                nth = 1 + [c for c in begun if _way({"server": e.server}, c) == way].index(e)
                yield {kind: {**fields, "server": e.server, "nth": nth}}
            elif way and isinstance(fault, Placed) and at in fault.cut_points:
                match = {**fields.get("match", {}), "api": e.api, way[0]: way[1]}
                nth = 1 + [r for r in begun if _way({"match": match}, r) == way].index(e)
                keys = {"nth": nth, "match": {k: v for k, v in match.items() if v != "produce"}}
                yield {kind: {**fault.pinned(fields, at, None), **keys, "at": at}}


def _way(fields: Any, e: Any) -> tuple[Any, ...]:
    if not isinstance(e, ev.FrameRead):
        return ("server", e.server) if fields.get("server") in (e.server, e.server[:3]) else ()
    wanted = {"api": "produce", **fields.get("match", {})}.items()
    for n, (topic, p, *_) in enumerate(e.carried or [(e.topic, e.partition, b"")]):
        has = {"entry": n, "topic": topic, "partition": p, "spu": e.server[4:]}
        alike = all(str(v) in ("all", str(has.get(k, getattr(e, k, 0)))) for k, v in wanted)
        if alike and (p is not None or e.api not in ("produce", "fetch")):
            return ("connection", e.connection) if p is None else ("partition", p, topic)
    return ()


def _points(history: History) -> tuple[dict[Any, Any], dict[Any, str], list[str]]:
    points, struck, words = dict[Any, Any](), dict[Any, str](), list[str]()
    kinds, delay = [type(e) for e in history.events], history.scenario.cluster.commit_delay
    end = history.events[kinds.index(ev.Healed)]
    for n, e in enumerate(history.events[kinds.index(CallEnded) : kinds.index(ev.Healed)]):
        begins = isinstance(e, ev.FrameRead | ev.ConnectionOpened | ev.ConnectRefused)
        key = getattr(e, "transmission", -n), getattr(e, "at", "request" if begins else "response")
        asked: Any = e if begins else points.get((key[0], "request"), (0, None))[1]
        if asked and not (isinstance(e, ev.Appended) and e.t + asked.commit_wait_s(delay) >= end.t):
            points.setdefault(key, (n, asked))
        struck |= {key: e.fault} if isinstance(e, ev.FaultHit | ev.ConnectRefused) else {}
        if isinstance(e, ev.FrameRead | ev.FrameWritten):
            words.append(f"{type(e).__name__} {e.connection} {e.server} {e.api} {e.partition}")
    return points, struck, words


if __name__ == "__main__":
    sys.exit("\n".join(w for p in sys.argv[1:] for w in differences(Path(p).read_text())) or 0)

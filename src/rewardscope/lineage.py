"""From an artifact back to the corpus: the jobs whose records name what it was made from, and where that chain is broken."""
import csv
import json
import os
import re
from collections import deque
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from rewardscope.errors import UserError
from rewardscope.provenance import fingerprint, load, record_file


class Chain(NamedTuple):
    """What an artifact was made from."""

    jobs: list[dict]
    """Records, readers before what they read; with `record` (its file) and `used` (its outputs that the chain goes through)."""
    given: dict[str, str]
    """Inputs that no job made, and the SHA-256 that was read."""
    gone: list[str]
    """Artifacts that are not on disk any more (freed activations, say): their hash cannot be checked."""
    broken: list[str]
    """Where records and files contradict each other or are missing, a line each."""


def lineage(path: str, row: str | None = None, quick: bool = False, as_json: bool = False) -> tuple[str, bool]:
    """What to print about the artifact at `path`, and whether its chain is whole."""
    results, name = locate(path)
    artifacts = artifacts_at(results, name)
    chain = trace(results, artifacts, rows(Path(path), row) if row else [], quick)
    if as_json:
        return json.dumps({"artifact": name, "row": row, **chain._asdict()}, indent=1), not chain.broken
    return "\n".join(_lines(f"{path}{f', row {row}' if row else ''}", chain)), not chain.broken


def locate(path: str) -> tuple[Path, str]:
    """The results folder of a path, and its name in there."""
    whole = Path(os.path.abspath(path))
    for folder in (whole, *whole.parents):
        if (folder / "provenance").is_dir():
            return folder, os.path.relpath(whole, folder)
    said = "no folder above it holds provenance records" if whole.exists() else "no such file or folder"
    raise UserError(f"{path}: {said}")


def artifacts_at(results: Path, name: str) -> list[str]:
    """The recorded artifact that `name` is or lies in, or all those below it."""
    for artifact in (name, *map(str, Path(name).parents)):
        made = (load(record_file(results, artifact)) or {"outputs": {}})["outputs"].get(artifact)
        if made and (artifact == name or os.path.relpath(name, artifact) in made["files"]):
            return [artifact]
    records = results / "provenance" / name
    below = [str(file.relative_to(results / "provenance")).removesuffix(".json") for file in sorted(records.rglob("*.json")) if file.exists()]
    if not below:
        said = "no record names it: made by hand, or before records were kept" if (results / name).exists() else "no such file or folder"
        raise UserError(f"{results / name}: {said}")
    return below


def rows(table: Path, which: str) -> list[dict[str, str]]:
    """Rows of a CSV table by number (from 1) or as `model/reward`."""
    if table.suffix != ".csv":
        raise UserError(f"{table}: rows can be named for CSV tables only")
    with open(table, encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    names = [f"{row.get('model')}/{row.get('reward')}" for row in found]
    chosen = [row for number, row in enumerate(found, start=1) if which in (str(number), names[number - 1])]
    if not chosen:
        raise UserError(f"{table}: no row {which}; it has {len(found)}: {', '.join(sorted(set(names)))}")
    return chosen


def went_into(name: str, row: dict[str, str]) -> bool:
    """Whether an input can belong to a table's row: its path names no other model, reward, run, side or pick."""
    kind, *rest = name.split("/")
    said = dict(zip(("model", "reward", "run", "side"), rest)) if kind == "pairs" else {}
    if kind in ("models", "bases"):
        said = {"model": rest[0]}
    if said.get("side") not in ("base", "rlhf"):
        said.pop("side", None)
    if pick := re.search(r"/((?:top|low|layer)\d+)\b", name):
        said["pick"] = pick[1]
    return all(row.get(key, value) == value for key, value in said.items())


def trace(results: Path, artifacts: list[str], chosen: list[dict] = (), quick: bool = False) -> Chain:
    """Follow records from `artifacts` to what no job made, and compare them with each other and with the disk.

    `chosen` rows of a table leave out the inputs of its other rows. With `quick`, a file in a folder is not read again
    where its size and date are those of its record.
    """
    read = cache(load)
    jobs: dict[Path, dict] = {}
    readers: dict[str, set[str]] = {}  # rule -> rules that read what it made
    chain = Chain([], {}, [], [])
    seen: set[str] = set()
    todo = deque((name, None) for name in artifacts)
    while todo:
        name, reader = todo.popleft()
        file = record_file(results, name).resolve()
        record = read(file) or {"outputs": {}}
        made = record["outputs"].get(name)
        expected = made["sha256"] if made else reader["inputs"][name] if reader else None
        if made and reader and reader["inputs"][name] != made["sha256"]:
            what = "it has been remade since" if record["started"] > reader["started"] else "that is not what was made"
            chain.broken.append(f"{name}: {reader['rule']} read {_short(reader['inputs'][name])}; {what} ({_short(made['sha256'])})")
        if made:
            readers.setdefault(record["rule"], set()).update({reader["rule"]} if reader else ())
        if name in seen:
            continue
        seen.add(name)
        outside = name.startswith("../") or os.path.isabs(name)
        if outside:
            chain.given[name] = expected
        elif not made:
            chain.broken.append(f"{name}: no record of the job that made it")
        if not (results / name).exists():
            chain.gone.append(name)
        elif expected and (now := fingerprint(results / name, made if quick else None))["sha256"] != expected:
            since = "since it was made" if made else f"since {reader['rule']} read it"
            chain.broken.append(f"{name}: changed {since}{_which(now, made)} (recorded {_short(expected)}, on disk {_short(now['sha256'])})")
        if made and file not in jobs:
            jobs[file] = {"record": str(file.relative_to(results.resolve())), "used": [], **record}
            wanted = [i for i in record["inputs"] if reader or not chosen or any(went_into(i, row) for row in chosen)]
            todo.extend((i, record) for i in wanted)
        if made:
            jobs[file]["used"].append(name)
    order = list(TopologicalSorter(readers).static_order())
    chain.jobs.extend(sorted(jobs.values(), key=lambda job: (order.index(job["rule"]), job["used"][0])))
    return chain


def _which(now: dict, made: dict | None) -> str:
    """Files of a folder that are not as recorded."""
    if not made or "files" not in now or "files" not in made:
        return ""
    before, after = ({name: file["sha256"] for name, file in side["files"].items()} for side in (made, now))
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return f" in {', '.join(changed[:3])}{' and more' * (len(changed) > 3)}"


def _lines(title: str, chain: Chain) -> list[str]:
    """The chain by stage, the artifact's own first; alike jobs and files are one line with their count."""
    rules = {job["rule"] for job in chain.jobs}
    lines = [f"{title}: made by {_count(len(chain.jobs), 'job')} of {_count(len(rules), 'rule')}; times are UTC", ""]
    stages: dict[tuple[str, str], list[dict]] = {}
    for job in chain.jobs:
        stages.setdefault((job["rule"], job["params"]["code"]), []).append(job)
    for (rule, code), jobs in stages.items():
        when, took = min(job["started"] for job in jobs)[:16].replace("T", " "), sum(job["seconds"] for job in jobs)
        lines.append(f"{rule:<20}  {when}  {took:>8.1f} s  code {_short(code)}" + (f"  {len(jobs)} jobs" if len(jobs) > 1 else ""))
        hashes = {name: job["outputs"][name]["sha256"] for job in jobs for name in job["used"]}
        lines += _folded(hashes)
    if chain.given:
        lines += ["given", *_folded(chain.given)]
    lines += ["", *(f"not on disk any more: {name}" for name in chain.gone), *(f"BROKEN  {line}" for line in chain.broken)]
    return [*lines, f"The chain is broken in {_count(len(chain.broken), 'place')}." if chain.broken else "The chain is whole."]


def _folded(hashes: dict[str, str]) -> list[str]:
    """A line for each kind of file: the hash of one, the count of several."""
    kinds: dict[tuple, list[str]] = {}
    for name in hashes:
        tokens = re.findall(r"\d+|[^\W\d_]+|[\W_]", name)
        kinds.setdefault((len(tokens), re.sub(r"\d+", "#", name.rsplit("/", 1)[-1])), []).append(tokens)
    lines = []
    for names in kinds.values():
        label = _short(hashes["".join(names[0])]) if len(names) == 1 else f"{len(names)} alike"
        lines.append(f"    {label:<10}  {''.join(_braces(set(values)) for values in zip(*names, strict=True))}")
    return lines


def _braces(values: set[str]) -> str:
    """What stands at one place of alike names: `1`, `{base,rlhf}`, `{1..6}`."""
    ordered = sorted(values, key=lambda value: (len(value), value))  # 2 before 10
    if len(ordered) == 1:
        return ordered[0]
    return "{" + (",".join(ordered) if len(ordered) < 4 else f"{ordered[0]}..{ordered[-1]}") + "}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _short(digest: str) -> str:
    return digest[:10]

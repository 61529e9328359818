"""From an artifact back to the corpus: the jobs whose records name what it was made from, and where that chain is broken."""

import csv
import json
import os
import re
from collections import deque
from collections.abc import Sequence
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from rewardscope.checksums import differing, fingerprint
from rewardscope.errors import UserError
from rewardscope.run.provenance import load, record_file


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
    problem = "no folder above it holds provenance records" if whole.exists() else "no such file or folder"
    raise UserError(f"{path}: {problem}")


def artifacts_at(results: Path, name: str) -> list[str]:
    """The recorded artifact that `name` is or lies in, or all those below it."""
    for artifact in (name, *map(str, Path(name).parents)):
        made = (load(record_file(results, artifact)) or {"outputs": {}})["outputs"].get(artifact)
        if made and (artifact == name or os.path.relpath(name, artifact) in made.get("files", ())):
            return [artifact]
    records = results / "provenance" / name
    below = [str(file.relative_to(results / "provenance")).removesuffix(".json") for file in sorted(records.rglob("*.json")) if file.exists()]
    if not below:
        problem = "no record names it: made by hand, or before records were kept" if (results / name).exists() else "no such file or folder"
        raise UserError(f"{results / name}: {problem}")
    return below


def rows(table: Path, which: str) -> list[dict[str, str]]:
    """Rows of a CSV table by number (from 1) or as `model/reward`."""
    if table.suffix != ".csv":
        raise UserError(f"{table}: rows can be named for CSV tables only")
    try:
        with open(table, encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{table}: cannot be read as a table ({error})") from error
    names = [f"{row.get('model')}/{row.get('reward')}" for row in lines]
    chosen = [row for number, row in enumerate(lines, start=1) if which in (str(number), names[number - 1])]
    if not chosen:
        raise UserError(f"{table}: no row {which}; it has {len(lines)}: {', '.join(sorted(set(names)))}")
    return chosen


def went_into(name: str, row: dict[str, str]) -> bool:
    """Whether an input can belong to a table's row: its path names no other model, reward, run, side or pick."""
    kind, *rest = name.split("/")
    named = dict(zip(("model", "reward", "run", "side"), rest, strict=False)) if kind == "pairs" else {}
    if kind in ("models", "bases"):
        named = {"model": rest[0]}
    if named.get("side") not in ("base", "rlhf"):
        named.pop("side", None)
    if pick := re.search(r"/((?:top|low|layer)\d+)\b", name):
        named["pick"] = pick[1]
    return all(row.get(key, value) == value for key, value in named.items())


def trace(results: Path, artifacts: list[str], chosen: Sequence[dict] = (), quick: bool = False) -> Chain:
    """Follow records from `artifacts` to what no job made, and compare them with each other and with the disk.

    `chosen` rows of a table leave out the inputs of its other rows. With `quick`, a file in a folder is not read again
    where its size and date are those of its record.
    """
    record_of = cache(load)
    jobs: dict[Path, dict] = {}
    makers: dict[str, dict | None] = {}  # artifact -> the record of the job that made it
    readers: dict[str, list[dict]] = {name: [] for name in artifacts}  # artifact -> records of the jobs that read it
    todo = deque(artifacts)
    while todo:
        name = todo.popleft()
        if name in makers:
            continue
        file = record_file(results, name).resolve()
        record = record_of(file)
        makers[name] = record if record and name in record["outputs"] else None
        if not makers[name]:
            continue
        if file not in jobs:
            jobs[file] = {"record": os.path.relpath(file, results.resolve()), "used": [], **record}
            rows_of = chosen if name in artifacts else ()
            for source in record["inputs"]:
                if not rows_of or any(went_into(source, row) for row in rows_of):
                    readers.setdefault(source, []).append(record)
                    todo.append(source)
        jobs[file]["used"].append(name)
    before: dict[str, set[str]] = {}  # rule -> rules whose jobs read what it made
    for name, maker in makers.items():
        if maker:
            before.setdefault(maker["rule"], set()).update(reader["rule"] for reader in readers[name])
    order = list(TopologicalSorter(before).static_order())
    chain = Chain(sorted(jobs.values(), key=lambda job: (order.index(job["rule"]), job["used"][0])), {}, [], [])
    for name, maker in makers.items():
        made = maker["outputs"][name] if maker else None
        if not made and (name.startswith("../") or os.path.isabs(name)):
            chain.given[name] = readers[name][0]["inputs"][name]
        elif not made:
            chain.broken.append(f"{name}: no record of the job that made it")
        if not (results / name).exists():
            chain.gone.append(name)
        else:
            now = fingerprint(results / name, made if quick else None)
            chain.broken.extend(_changed(name, now, made, readers[name]))
        chain.broken.extend(_misread(name, maker, readers[name]))
    return chain


def _changed(name: str, now: dict, made: dict | None, readers: list[dict]) -> list[str]:
    """Whether a file or folder on disk is another than was made, or, where no job made it, than was read."""
    known = {"it was made": made} if made else {f"{job['rule']} read it": {"sha256": job["inputs"][name]} for job in readers}
    return [
        f"{name}: changed since {when}{_which(now, then)} (recorded {_short(then['sha256'])}, on disk {_short(now['sha256'])})"
        for when, then in known.items()
        if then["sha256"] != now["sha256"]
    ]


def _misread(name: str, maker: dict | None, readers: list[dict]) -> list[str]:
    """Jobs that read something else than the last job that made it has left."""
    made, lines = maker["outputs"][name]["sha256"] if maker else None, []
    for job in readers:
        if made and job["inputs"][name] != made:
            since = "it has been remade since" if maker["started"] > job["started"] else "that is not what was made"
            lines.append(f"{name}: {job['rule']} read {_short(job['inputs'][name])}; {since} ({_short(made)})")
    return lines


def _which(now: dict, then: dict) -> str:
    """Files of a folder that are not as recorded."""
    changed = differing(now, then)
    return f" in {', '.join(changed[:3])}{' and more' * (len(changed) > 3)}" if changed else ""


def _lines(title: str, chain: Chain) -> list[str]:
    """The chain by stage, the artifact's own first; alike jobs and files are one line with their count."""
    rules = {job["rule"] for job in chain.jobs}
    commits = {job["git"]["commit"][:10] + " with changes" * (not job["git"]["clean"]) for job in chain.jobs if job["git"]}
    by = f"; commit {', '.join(sorted(commits))}" if commits else ""
    lines = [f"{title}: made by {_count(len(chain.jobs), 'job')} of {_count(len(rules), 'rule')}{by}; times are UTC", ""]
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
        label = _short(hashes["".join(names[0])]) if len(names) == 1 else f"{len(names)} x"
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

"""How long what is left of a run will take: times of finished jobs from their benchmark files, progress from the logs of those at work."""

import csv
import re
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

STEP = re.compile(r"^(\d{4}-\d\d-\d\d \S+),\d+ (.*): (\d+) of (\d+)\b(, .*)?.*\n", re.MULTILINE)  # a line of `job.progress` in a log
TAIL = 4096  # bytes of a log in which its last step is looked for


class Step(NamedTuple):
    """How far a job says it is."""

    what: str
    done: int
    of: int
    left: float | None
    """Seconds, at the pace of late; None before two lines of the same kind were written."""
    more: str = ""
    """What the line says after a comma: of paid answers, dollars spent and left."""


def benchmark(file: str | Path) -> tuple[float, float] | None:
    """Seconds that a finished job took and the CPUs that it kept busy, from the file of its `benchmark:`."""
    try:
        with open(file, newline="") as stream:
            row = next(csv.DictReader(stream, delimiter="\t"))
        load = row["mean_load"]  # percent of a CPU; not a number where the job ended before Snakemake looked
        return float(row["s"]), float(load) / 100 if load not in ("NA", "-") else 1.0
    except (OSError, StopIteration, KeyError, ValueError):  # killed before it was written
        return None


def earlier_times(file: str | Path, rule: str, elsewhere: bool = False) -> dict[str, list[tuple[float, float]]]:
    """(seconds, CPUs) of each rule's jobs in earlier runs, by the `benchmark:` of one job.

    Files are `benchmarks/<rule>.tsv` or `benchmarks/<rule>/**/*.tsv`. Where the workflow is a module its rules have names like `x_<rule>`.
    `elsewhere`: not those of its own results folder, but of the ones in it, around it and beside it (`results`, `results/all`, ...); of
    several that have a rule, of the one that ran last.
    """
    file = Path(file)
    for folder in file.parents:
        name = file.relative_to(folder).parts[0].removesuffix(".tsv")
        if folder.name == "benchmarks" and rule.endswith(name):
            break
    else:
        return {}
    results, times = folder.parent, {}
    others = {*results.glob("*/benchmarks"), *results.parent.glob("*/benchmarks"), *results.parent.glob("benchmarks")} - {folder}
    others = [one for one in others if one.is_dir()]  # no dangling link
    for one in sorted(others, key=lambda other: other.stat().st_mtime) if elsewhere else [folder]:
        times |= _by_rule(one, rule.removesuffix(name))
    return times


def _by_rule(folder: Path, prefix: str) -> dict[str, list[tuple[float, float]]]:
    times = defaultdict(list)
    for file in sorted(folder.rglob("*.tsv")):
        if took := benchmark(file):
            times[prefix + file.relative_to(folder).parts[0].removesuffix(".tsv")].append(took)
    return dict(times)


def last_step(log: str | None, since: float) -> Step | None:
    """The last progress that a job wrote to its log; nothing of a log left by an earlier job."""
    try:
        if not log or Path(log).stat().st_mtime < since:
            return None
        with open(log, "rb") as stream:
            stream.seek(max(0, Path(log).stat().st_size - TAIL))
            lines = STEP.findall(stream.read().decode(errors="replace"))
    except OSError:
        return None
    if not lines:
        return None
    at, what, done, of, more = lines[-1]
    first = next(line for line in lines if line[1] == what)
    pace = _seconds(at) - _seconds(first[0])
    steps = int(done) - int(first[2])
    left = (int(of) - int(done)) * pace / steps - (time.time() - _seconds(at)) if steps > 0 and pace > 0 else None
    return Step(what, int(done), int(of), left if left is None else max(0.0, left), more)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def time_left(
    waiting: dict[str, int],
    running: list[tuple[str, float]],
    seconds: dict[str, float],
    share: dict[str, float],
    needs: dict[str, set[str]],
) -> tuple[float, bool] | None:
    """Seconds until all jobs are done, and whether every rule's time is known; None where nothing is known.

    `waiting` counts the jobs of a rule that have not begun; `running` holds rule and seconds left of each job at work;
    `seconds` a job of a rule takes, `share` of the machine that it holds, `needs` the rules before it. At least the
    work left must be done, and at least one job of each rule of the longest chain, one after the other.
    """
    known = {rule: n for rule, n in waiting.items() if n and rule in seconds}
    if not known and not running:
        return None
    work = sum(left * share.get(rule, 1) for rule, left in running) + sum(n * seconds[rule] * share.get(rule, 1) for rule, n in known.items())
    ends: dict[str, float] = {}

    def end(rule: str) -> float:
        if rule not in ends:
            ends[rule] = 0  # a rule may come before itself, its jobs do not
            at_work = max((left for other, left in running if other == rule), default=0)
            ends[rule] = max(map(end, needs.get(rule, ())), default=0) + max(at_work, seconds[rule] if rule in known else 0)
        return ends[rule]

    chain = max(end(rule) for rule in {*known, *(rule for rule, _ in running)})
    return max(work, chain), all(rule in seconds for rule, n in waiting.items() if n)

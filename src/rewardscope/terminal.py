"""What a run says while it runs: steps done, jobs at work, an honest time left. A Snakemake logger plugin.

On a terminal one process draws everything, below the lines that stay: the jobs write their progress to their logs
(`job.progress`), and it is read there. Elsewhere a plain line says when a job starts and ends. A dry run, `--quiet` and
`--verbose` look as Snakemake's own; its full log of a run is in `.snakemake/log` as ever.
"""
import csv
import math
import re
import shutil
import sys
import threading
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from rewardscope.files import benchmark_file

STEP = re.compile(r"^(\S+ \S+),\d+ (.*): (\d+) of (\d+)\b(, .*)?.*\n", re.MULTILINE)  # a line of `job.progress` in a log
LAST_WORDS = re.compile(r"^(?:rewardscope: .*|slurmstepd\S*: error: .*(?:memory|CANCELLED).*)", re.MULTILINE)
TAIL = 4096  # bytes of a log in which its last step is looked for
CHATTER = ("Building DAG", "Select jobs", "Using shell", "Conda env", "Assuming unrestricted", "Removing temporary", "Touching output")


class Job(NamedTuple):
    """A job at work."""

    rule: str
    name: str
    log: str | None
    started: float
    """Unix time."""


class Step(NamedTuple):
    """How far a job says it is."""

    what: str
    done: int
    of: int
    left: float | None
    """Seconds, at the pace of late; None before two lines of the same kind were written."""
    more: str = ""
    """What the line says after a comma: of paid answers, dollars spent and left."""


def said(seconds: float) -> str:
    """A duration in words, no finer than it is worth."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def benchmark(file: str | Path) -> tuple[float, float] | None:
    """Seconds that a finished job took and the CPUs that it kept busy, from its benchmark file."""
    try:
        with open(file, newline="") as stream:
            row = next(csv.DictReader(stream, delimiter="\t"))
        return float(row["s"]), float(row["mean_load"]) / 100
    except (OSError, StopIteration, KeyError, ValueError):  # killed before it was written
        return None


def earlier_times(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """(seconds, CPUs) of each rule's jobs in earlier runs: `folder` holds `<rule>.tsv` or `<rule>/**/*.tsv`."""
    times = defaultdict(list)
    for file in sorted(folder.rglob("*.tsv")):
        if took := benchmark(file):
            times[file.relative_to(folder).parts[0].removesuffix(".tsv")].append(took)
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


def last_words(logs: list[str]) -> list[str]:
    """What a job on a cluster said at its end: its own line (`job.start`), and Slurm's where it was Slurm that ended the job."""
    found = []
    for log in map(Path, logs):
        # Members of a job array write beside the folder in which the executor plugin expects their logs.
        file = next((file for file in (log, log.parent.parent / log.name) if file.exists()), None)
        if file:
            found += LAST_WORDS.findall(file.read_text(errors="replace"))
    return list(dict.fromkeys(found))


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


class LogHandler(LogHandlerBase):
    """Snakemake's interface asks for a class of this name; it gets every event of the run in one thread."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = True

    def __post_init__(self) -> None:
        ours = self.common_settings
        self.stream = sys.stdout if ours.stdout else sys.stderr
        self.plain = ours.dryrun or ours.quiet or ours.verbose or ours.debug_dag
        self.snakemake = ColorizingTextHandler(nocolor=ours.nocolor, stream=self.stream)
        self.snakemake.setFormatter(DefaultFormatter(ours.quiet, ours.show_failed_logs))
        self.snakemake.addFilter(DefaultFilter(ours.quiet, ours.debug_dag, ours.verbose, ours.dryrun, ours.printshellcmds))
        self.waiting: dict[str, int] = {}
        self.running: dict[int, Job] = {}
        self.threads: dict[str, int] = {}
        self.needs: dict[str, set[str]] = {}
        self.earlier: dict[str, list[tuple[float, float]]] | None = None
        self.took: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.slots = 1
        self.per_job = False  # the slots are jobs of a cluster, not cores
        self.done = self.total = 0
        self.began = time.time()
        self.stop = threading.Event()
        self.drawing = False

    def emit(self, record) -> None:
        """Take one event of Snakemake's; an error here is reported and does not end the run's messages."""
        try:
            self.take(record)
        except Exception:
            self.handleError(record)

    def take(self, record) -> None:
        event = getattr(record, "event", None)
        if self.plain:
            self.snakemake.handle(record)
        elif event == LogEvent.RULEGRAPH:
            for edge in record.rulegraph["links"]:
                self.needs.setdefault(edge["targetrule"], set()).add(edge["sourcerule"])
        elif event == LogEvent.RESOURCES_INFO:
            self.per_job = self.per_job or hasattr(record, "nodes")
            self.slots = getattr(record, "nodes", None) or getattr(record, "cores", None) or self.slots
        elif event == LogEvent.RUN_INFO:
            self.start({rule: n for rule, n in record.stats.items() if rule != "total"})
        elif event == LogEvent.JOB_INFO:
            self.job_started(record)
        elif event == LogEvent.JOB_FINISHED:
            self.job_finished(record.job_id)
        elif event == LogEvent.JOB_ERROR:
            self.job_failed(record)
        elif event in (None, LogEvent.ERROR, LogEvent.GROUP_ERROR) and not (record.getMessage() or "None").startswith((*CHATTER, "None")):
            self.say(self.snakemake.format(record))

    def start(self, jobs: dict[str, int]) -> None:
        self.waiting, self.total = dict(jobs), sum(jobs.values())
        self.say(f"{self.total} steps: " + ", ".join(f"{n} {rule}" if n > 1 else rule for rule, n in jobs.items()))
        if self.stream.isatty():
            self.drawing = True
            threading.Thread(target=self.redraw, daemon=True).start()

    def job_started(self, record) -> None:
        if self.earlier is None and record.log:
            self.earlier = earlier_times(next(p for p in benchmark_file(record.log[0], record.rule_name).parents if p.name == "benchmarks"))
        name = " ".join([record.rule_name, *map(str, record.wildcards.values())])
        log = record.log[0] if record.log else None
        self.waiting[record.rule_name] = max(0, self.waiting.get(record.rule_name, 0) - 1)  # a job tried again was counted
        self.threads[record.rule_name] = record.threads
        self.running[record.jobid] = Job(record.rule_name, name, log, time.time())
        if not self.drawing and log:
            self.say(f"{clock()} {name}: {'submitted' if self.per_job and not record.local else 'started'}")

    def job_finished(self, jobid: int) -> None:
        job = self.running.pop(jobid)
        if job.log and (took := benchmark(benchmark_file(job.log, job.rule))):
            self.took[job.rule].append(took)
        self.done += 1
        if job.log:
            self.say(f"{clock()} {job.name}: done in {said(time.time() - job.started)}" + ("" if self.drawing else f"; {self.summary()}"))

    def job_failed(self, record) -> None:
        job = self.running.pop(record.jobid, None)
        self.say(f"{clock()} {job.name if job else record.rule_name}: failed" + (f" (log: {job.log})" if job and job.log else ""))
        if self.per_job:  # elsewhere the job has said it here itself
            for line in last_words(record.log):  # the cluster's logs among them
                self.say(line)

    def summary(self) -> str:
        """Steps done and the time left."""
        times = {**(self.earlier or {}), **self.took}  # this run's own times where there are any
        seconds = {rule: sum(s for s, _ in took) / len(took) for rule, took in times.items()}
        busy = {rule: max(1, math.ceil(sum(load for _, load in took) / len(took) - 0.1)) for rule, took in times.items()}
        share = {rule: (1 if self.per_job else self.threads.get(rule) or busy.get(rule, 1)) / self.slots for rule in {*busy, *self.threads}}
        running = []
        for job in self.running.values():
            elapsed, step = time.time() - job.started, last_step(job.log, job.started)
            if job.rule in seconds:
                running.append((job.rule, max(0.0, seconds[job.rule] - elapsed)))
            elif step and step.left is not None:
                running.append((job.rule, step.left))
        waiting = {rule: n for rule, n in self.waiting.items() if rule != "all"}
        steps = f"{self.done} of {self.total} steps"
        if not self.running and not any(waiting.values()):
            return steps
        left = time_left(waiting, running, seconds, share, self.needs)
        if left is None:
            return f"{steps}, time left unknown"
        known = left[1] and len(running) == len(self.running)
        return f"{steps}, {'about' if known else 'more than'} {said(left[0])} left"

    def say(self, line: str) -> None:
        """A line that stays."""
        if self.drawing:
            self.stream.write(f"\r\x1b[J{line}\n")
            self.draw()
        else:
            print(line, file=self.stream, flush=True)

    def draw(self) -> None:
        """What is at work, below the cursor: a line that a job itself writes lands above it and is kept."""
        width, height = shutil.get_terminal_size()
        lines = [f"{self.summary()}, {said(time.time() - self.began)} so far"]
        for job in self.running.values():
            step = last_step(job.log, job.started)
            bar = f"{meter(step.done / step.of)} {step.what} {step.done} of {step.of}{step.more}, " if step else ""
            lines.append(f"  {job.name}: {bar}{said(time.time() - job.started)}")
        lines = [line[: width - 1] for line in lines][: height - 2]
        self.stream.write("\r\x1b[J\n" + "\n".join(lines) + f"\x1b[{len(lines)}A\r")
        self.stream.flush()

    def redraw(self) -> None:
        while not self.stop.wait(0.5):
            with self.lock:
                if self.drawing:
                    self.draw()

    def close(self) -> None:
        """Clear what was drawn; called at the end of a run, and more than once."""
        self.stop.set()
        with self.lock:
            if self.drawing:
                self.drawing = False
                self.stream.write("\r\x1b[J")
                self.stream.flush()
        super().close()


def clock() -> str:
    return time.strftime("%H:%M:%S")


def meter(part: float, width: int = 20) -> str:
    """A bar, `part` of it filled."""
    full = round(part * width)
    return f"[{'#' * full}{'.' * (width - full)}]"

"""What a run says while it runs: steps done, jobs at work, an honest time left. A Snakemake logger plugin.

On a terminal one process draws everything, below the lines that stay: the jobs write their progress to their logs
(`job.progress`), and it is read there. Elsewhere a plain line says when a job starts and ends. A dry run, `--quiet` and
`--verbose` look as Snakemake's own; its full log of a run is in `.snakemake/log` as ever.
"""

import argparse
import math
import os
import re
import shutil
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from snakemake.common import get_appdirs
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from rewardscope.config.files import check_text
from rewardscope.errors import UserError
from rewardscope.run import budget
from rewardscope.text import plain
from snakemake_logger_plugin_rewardscope.times import benchmark, earlier_times, last_step, time_left

LAST_WORDS = re.compile(r"^(?:rewardscope: .*|slurmstepd\S*: error: .*(?:memory|CANCELLED).*)", re.MULTILINE)
CHATTER = ("Building DAG", "Select jobs", "Using shell", "Conda env", "Assuming unrestricted", "Removing temporary", "Touching output")


class Job(NamedTuple):
    """A job at work."""

    rule: str
    name: str
    log: str | None
    benchmark: str | None
    started: float
    """Unix time."""


def duration(seconds: float) -> str:
    """A duration in words, no finer than it is worth."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def last_words(logs: list[str]) -> list[str]:
    """What a job on a cluster said at its end: its own line (`job.start`), and Slurm's where it was Slurm that ended the job."""
    words = []
    for log in map(Path, logs):
        # Members of a job array write beside the folder in which the executor plugin expects their logs.
        file = next((file for file in (log, log.parent.parent / log.name) if file.exists()), None)
        if file:
            words += LAST_WORDS.findall(file.read_text(errors="replace"))
    return list(dict.fromkeys(words))


def need_cache() -> None:
    """End the run with one line where Snakemake's cache cannot be written: it would end with a traceback, before it reads the Snakefile."""
    folder = Path(get_appdirs().user_cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        problem = None if os.access(folder, os.W_OK | os.X_OK) else "not writable"
    except OSError as error:
        problem = error.strerror
    if problem:
        sys.exit(f"rewardscope: {folder}: Snakemake's cache cannot be kept here ({problem}); set XDG_CACHE_HOME to a folder that can be written")


def check_overlays(arguments: list[str]) -> None:
    """End with one line about a broken `--configfile`: Snakemake, which reads it next, would name neither the line nor always the file.

    From the command line, as Snakemake hands a logger plugin no settings but those of its output, and the Snakefile is read after the overlays.
    """
    overlays = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    overlays.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    try:
        for file in overlays.parse_known_args(arguments)[0].configfile:
            check_text(file)
    except UserError as error:
        sys.exit(f"rewardscope: {error}")


class LogHandler(LogHandlerBase):
    """Snakemake's interface asks for a class of this name; it gets every event of the run in one thread."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = True

    def __post_init__(self) -> None:
        need_cache()
        check_overlays(sys.argv[1:])
        ours = self.common_settings
        self.stream = sys.stdout if ours.stdout else sys.stderr
        self.plain = ours.dryrun or ours.quiet or ours.verbose or ours.debug_dag
        self.snakemake = ColorizingTextHandler(nocolor=ours.nocolor or bool(os.environ.get("NO_COLOR")), stream=self.stream)
        self.snakemake.setFormatter(DefaultFormatter(ours.quiet, ours.show_failed_logs))
        self.snakemake.addFilter(DefaultFilter(ours.quiet, ours.debug_dag, ours.verbose, ours.dryrun, ours.printshellcmds))
        self.waiting: dict[str, int] = {}
        self.running: dict[int, Job] = {}
        self.threads: dict[str, int] = {}
        self.needs: dict[str, set[str]] = {}
        self.earlier: dict[str, list[tuple[float, float]]] | None = None
        self.elsewhere: dict[str, list[tuple[float, float]]] = {}
        self.took: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.slots = 1
        self.per_job = False  # the slots are jobs of a cluster, not cores
        self.done = self.total = 0
        self.began = time.time()
        self.killed = budget.killed_for_memory()
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
            self.write(self.snakemake.format(record))

    def start(self, jobs: dict[str, int]) -> None:
        self.waiting, self.total = dict(jobs), sum(jobs.values())
        self.say(f"{self.total} steps: " + ", ".join(f"{n} {rule}" if n > 1 else rule for rule, n in jobs.items()))
        if self.stream.isatty() and os.environ.get("TERM") != "dumb":  # which cannot move its cursor
            self.drawing = True
            threading.Thread(target=self.redraw, daemon=True).start()

    def job_started(self, record) -> None:
        if self.earlier is None and record.benchmark:
            self.earlier = earlier_times(record.benchmark, record.rule_name)
            self.elsewhere = earlier_times(record.benchmark, record.rule_name, elsewhere=True)
        name = " ".join([record.rule_name, *map(str, record.wildcards.values())])
        log = record.log[0] if record.log else None
        self.waiting[record.rule_name] = max(0, self.waiting.get(record.rule_name, 0) - 1)  # a job tried again was counted
        self.threads[record.rule_name] = record.threads
        self.running[record.jobid] = Job(record.rule_name, name, log, record.benchmark, time.time())
        if not self.drawing and log:
            self.say(f"{clock()} {name}: {'submitted' if self.per_job and not record.local else 'started'}")

    def job_finished(self, jobid: int) -> None:
        job = self.running.pop(jobid)
        if job.benchmark and (took := benchmark(job.benchmark)):
            self.took[job.rule].append(took)
        self.done += 1
        if job.log:
            self.say(f"{clock()} {job.name}: done in {duration(time.time() - job.started)}" + ("" if self.drawing else f"; {self.summary()}"))

    def job_failed(self, record) -> None:
        job = self.running.pop(record.jobid, None)
        self.say(f"{clock()} {job.name if job else record.rule_name}: failed" + (f" (log: {job.log})" if job and job.log else ""))
        if self.per_job:  # elsewhere the job has said it here itself
            for line in last_words(record.log):  # the cluster's logs among them
                self.say(line)
        elif (killed := budget.killed_for_memory()) > self.killed:
            self.killed, rule = killed, job.rule if job else record.rule_name
            self.say(f"rewardscope: {rule}: the kernel killed a process for want of memory; lower {budget.lowers(rule)}")

    def summary(self) -> str:
        """Steps done and the time left: "about" by this results folder's own times; "perhaps" where some are another's, or a guess.

        A rule that was never timed is guessed at the mean of this run's rules, once one of them has ended twice. "more than" where something
        is left of which nothing is known: before that, or a job that takes longer than such jobs took.
        """
        timed = {**(self.earlier or {}), **self.took}  # this run's own times where there are any
        times = {**self.elsewhere, **timed}
        seconds = {rule: sum(s for s, _ in took) / len(took) for rule, took in times.items()}
        if any(len(took) > 1 for took in self.took.values()):
            typical = sum(seconds[rule] for rule in self.took) / len(self.took)
            seconds = dict.fromkeys([*self.waiting, *(job.rule for job in self.running.values())], typical) | seconds
        busy = {rule: max(1, math.ceil(sum(load for _, load in took) / len(took) - 0.1)) for rule, took in times.items()}
        share = {rule: (1 if self.per_job else self.threads.get(rule) or busy.get(rule, 1)) / self.slots for rule in {*seconds, *self.threads}}
        at_work, running = [job for job in self.running.values() if job.rule != "all"], []
        for job in at_work:
            elapsed, step = time.time() - job.started, last_step(job.log, job.started)
            if elapsed < seconds.get(job.rule, 0):
                running.append((job.rule, seconds[job.rule] - elapsed))
            elif step and step.left is not None:
                running.append((job.rule, step.left))
        waiting = {rule: n for rule, n in self.waiting.items() if n and rule != "all"}
        steps = f"{self.done} of {self.total} steps"
        if not at_work and not waiting:
            return steps
        left, known = time_left(waiting, running, seconds, share, self.needs) or (0.0, False)
        known = known and len(running) == len(at_work)
        if left < 0.5 and not known:
            return f"{steps}, time left unknown"
        guessed = any(rule not in timed for rule in {*waiting, *(job.rule for job in at_work)} & {*seconds})
        return f"{steps}, {'more than' if not known else 'perhaps' if guessed else 'about'} {duration(max(1.0, left))} left"

    def say(self, line: str) -> None:
        """A line of ours that stays."""
        self.write(plain(line))

    def write(self, line: str) -> None:
        if self.drawing:
            self.stream.write(f"\r\x1b[J{line}\n")
            self.draw()
        else:
            self.stream.write(f"{line}\n")  # at once: the main thread writes lines of its own
            self.stream.flush()

    def draw(self) -> None:
        """What is at work, below the cursor: a line that a job itself writes lands above it and is kept."""
        width, height = self.size()
        lines = [f"{self.summary()}, {duration(time.time() - self.began)} so far"]
        for job in self.running.values():
            step, took = last_step(job.log, job.started), duration(time.time() - job.started)
            told = f"{step.what} {step.done} of {step.of}{step.more}, {took}" if step else took
            bar = f"{meter(step.done / step.of)} " if step else ""
            line = f"  {job.name}: {bar}{told}"
            lines.append(line if len(line) < width else f"  {job.name}: {told}")  # the words before the bar
        lines = [plain(line)[: width - 1] for line in lines][: max(1, height - 2)]
        self.stream.write("\r\x1b[J\n" + "\n".join(lines) + f"\x1b[{len(lines)}A\r")
        self.stream.flush()

    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal that is drawn on: standard output, which `shutil` asks, may be another."""
        try:
            width, height = os.get_terminal_size(self.stream.fileno())
        except (OSError, ValueError):
            width = height = 0
        return (width, height) if width and height else shutil.get_terminal_size()

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

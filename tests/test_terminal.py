"""What a run says, on a terminal and elsewhere."""

import io
import os
import pty
import termios
import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from snakemake_logger_plugin_rewardscope import terminal, times


@pytest.fixture
def log(tmp_path):
    """A log of 10 updates of 40, one in 3 s, the last one a second ago; the loading before it was another matter."""
    now = datetime.now()
    lines = [f"{now - timedelta(seconds=60):%Y-%m-%d %H:%M:%S},000 loading: 1 of 1"]
    lines += [f"{now - timedelta(seconds=1 + 3 * (10 - i)):%Y-%m-%d %H:%M:%S},000 PPO updates: {i} of 40: kl 0.1" for i in range(1, 11)]
    (tmp_path / "job.log").write_text("\n".join(lines) + "\n2026-01-01 00:00:00,000 another line\n")
    return tmp_path / "job.log"


def test_the_last_step_of_a_log_and_its_pace(log):
    step = times.last_step(str(log), since=0)
    assert (step.what, step.done, step.of) == ("PPO updates", 10, 40)
    assert step.left == pytest.approx(30 * 3 - 1, abs=2)


@pytest.mark.parametrize("cut", range(30))
def test_a_line_that_the_tail_of_a_log_begins_in_is_none(tmp_path, cut):
    lines = [f"2026-11-26 21:56:{second:02d},123 PPO updates: {second} of 40\n" for second in range(40)]
    (tmp_path / "job.log").write_text("".join(lines)[cut:])
    assert times.last_step(str(tmp_path / "job.log"), since=0).done == 39


def test_a_log_of_an_earlier_job_says_nothing(log):
    assert times.last_step(str(log), since=time.time() + 5) is None
    assert times.last_step(str(log.with_name("none.log")), since=0) is None


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0 s"), (58.4, "58 s"), (270, "4 min"), (7500, "2 h 5 min")])
def test_durations(seconds, words):
    assert terminal.duration(seconds) == words


def test_the_meter():
    assert terminal.meter(0.25, width=8) == "[##......]"


def test_the_last_words_of_a_job_on_a_cluster(tmp_path):
    """Its own line, and Slurm's; said once, though the log is named twice; a member of an array writes one folder higher."""
    said = "Building DAG\nrewardscope: rlhf: no such thing (log: x.log)\nslurmstepd-n1: error: Exceeded job memory limit\nslurmstepd-n1: error: mpi/pmix_v4: chatter\nShutting down\n"
    (tmp_path / "rule_rlhf/run1").mkdir(parents=True)
    (tmp_path / "rule_rlhf/run1/7.log").write_text(said)
    (tmp_path / "rule_rlhf/8_2.log").write_text("rewardscope: rlhf: another (log: y.log)\n")
    own = ["rewardscope: rlhf: no such thing (log: x.log)", "slurmstepd-n1: error: Exceeded job memory limit"]
    assert terminal.last_words([str(tmp_path / "rule_rlhf/run1/7.log")] * 2) == own
    assert terminal.last_words([str(tmp_path / "rule_rlhf/run2/8_2.log")]) == ["rewardscope: rlhf: another (log: y.log)"]
    assert terminal.last_words([str(tmp_path / "never.log")]) == []


def made(**changed) -> terminal.LogHandler:
    ours = {"stdout": True, "dryrun": False, "quiet": set(), "verbose": False, "debug_dag": False, "nocolor": False, "show_failed_logs": False}
    return terminal.LogHandler(common_settings=SimpleNamespace(**ours | {"printshellcmds": False} | changed), settings=None)


class Run:
    """A run that the handler is told of: jobs begin and end, each with a benchmark file below `results/benchmarks`, at a time of ours."""

    def __init__(self, folder, monkeypatch, jobs: dict[str, int]):
        self.folder, self.now, self.ids = folder, 1e9, {}
        monkeypatch.setattr(terminal.time, "time", lambda: self.now)
        self.handler = made()
        self.handler.start({**jobs, "all": 1})

    def begin(self, rule: str, log: str | None = None) -> None:
        self.ids[rule] = self.ids.get(rule, 0) + 1
        file = self.folder / f"results/benchmarks/{rule}/{self.ids[rule]}.tsv"
        names = {"rule_name": rule, "wildcards": {}, "log": [log] if log else [], "benchmark": str(file), "threads": 1, "local": True}
        self.handler.job_started(SimpleNamespace(jobid=(rule, self.ids[rule]), **names))

    def end(self, rule: str, seconds: float) -> None:
        self.now += seconds
        file = self.folder / f"results/benchmarks/{rule}/{self.ids[rule]}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"s\th:m:s\tmax_rss\tmean_load\tcpu_time\n{seconds}\t-\t1\t100.0\t9\n")
        self.handler.job_finished((rule, self.ids[rule]))

    def left(self) -> str:
        return self.handler.summary().partition("steps, ")[2]


def test_a_first_run_has_an_estimate_once_a_rule_s_jobs_have_ended(tmp_path, monkeypatch):
    """Jobs of 10 s, one at a time. A table was never timed, and is not taken for nothing: once a rule has ended twice, for the mean of all, (10 + 4) / 2."""
    run = Run(tmp_path, monkeypatch, {"saes": 4})
    run.begin("saes")
    assert run.left() == "time left unknown"
    run.end("saes", 10)
    run.begin("saes")
    run.now += 4
    assert run.left() == "about 26 s left"
    run.handler.waiting["table"] = 1
    assert run.left() == "more than 26 s left"
    run.end("saes", 10)
    assert run.left() == "perhaps 30 s left"
    run.begin("corpus")
    run.end("corpus", 4)
    assert run.left() == "perhaps 27 s left"
    run.handler.waiting = {"saes": 0, "table": 1}
    run.begin("table")
    run.now += 5
    assert run.left() == "perhaps 2 s left"
    run.now += 5
    assert run.left() == "time left unknown"


def test_times_of_another_results_folder_are_a_guess(tmp_path, monkeypatch):
    """Until this run has its own: then they are no longer asked for."""
    (tmp_path / "results/all/benchmarks").mkdir(parents=True)
    (tmp_path / "results/all/benchmarks/saes.tsv").write_text("s\tmean_load\n30.0\t100.0\n")
    run = Run(tmp_path, monkeypatch, {"saes": 3})
    run.begin("saes")
    assert run.left() == "perhaps 90 s left"
    run.end("saes", 10)
    assert run.left() == "about 20 s left"


@pytest.mark.parametrize("after", [9.8, 10.0, 12.0, 600.0])
def test_nothing_is_left_is_never_said(tmp_path, monkeypatch, after):
    """A job that takes longer than such jobs took: how much longer is not known."""
    run = Run(tmp_path, monkeypatch, {"saes": 2})
    run.begin("saes")
    run.end("saes", 10)
    run.begin("saes")
    run.now += after
    assert run.left() == ("about 1 s left" if after < 10 else "time left unknown")
    run.handler.waiting["saes"] = 1
    assert run.left() == ("about 10 s left" if after < 10 else "more than 10 s left")
    run.handler.waiting = {"saes": 0, "table": 1}
    assert run.left() == "time left unknown"


def test_a_job_that_takes_longer_is_judged_by_its_own_pace(tmp_path, monkeypatch, log):
    now = time.time()
    run = Run(tmp_path, monkeypatch, {"saes": 2})
    run.now = now
    (tmp_path / "results/benchmarks").mkdir(parents=True)
    run.begin("saes")
    run.end("saes", 10)
    run.now = now - 40
    run.begin("saes", log=str(log))
    run.now = now
    assert run.left() in ("about 88 s left", "about 89 s left", "about 90 s left")  # 30 updates of 3 s each, less a second


class Screen:
    """A terminal of this size, and what is written to it."""

    def __init__(self, columns: int, lines: int):
        self.main, side = pty.openpty()
        termios.tcsetwinsize(side, (lines, columns))
        self.stream = os.fdopen(side, "w")

    def text(self) -> str:
        return os.read(self.main, 65536).decode()


@pytest.mark.parametrize(
    ("columns", "shown"), [(100, "[#####...............] PPO updates 10 of 40"), (50, "PPO updates 10 of 40"), (12, "  rlhf: PPO")]
)
def test_what_is_drawn_fits_the_terminal(tmp_path, monkeypatch, log, columns, shown):
    """The terminal that is drawn on, whatever standard output is; where it is narrow the bar goes before the words."""
    monkeypatch.setenv("COLUMNS", "200")
    now = time.time()
    run, screen = Run(tmp_path, monkeypatch, {"rlhf": 8}), Screen(columns, 6)
    run.now = now - 1
    for _ in range(8):
        run.begin("rlhf", log=str(log))
    run.now, run.handler.stream = now, screen.stream
    run.handler.draw()
    drawn = screen.text().partition("\x1b[J")[2].rpartition("\x1b[")[0].strip("\r\n").splitlines()
    assert len(drawn) == 4 and max(map(len, drawn)) < columns and shown in drawn[1] and ("[" in drawn[1]) == (columns == 100)


@pytest.mark.parametrize(
    ("variable", "value", "colours", "draws"), [("TERM", "xterm", True, True), ("TERM", "dumb", False, False), ("NO_COLOR", "1", False, True)]
)
def test_no_color_and_terminals_that_cannot(monkeypatch, variable, value, colours, draws):
    """NO_COLOR takes colours, not the lines that are drawn; of a terminal that can move no cursor nothing is drawn."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    screen = Screen(80, 24)
    monkeypatch.setattr("sys.stdout", screen.stream)
    handler = made()
    assert handler.snakemake.nocolor != colours
    handler.start({"one": 1, "all": 1})
    assert handler.drawing == draws
    handler.close()
    assert "2 steps: one, all" in screen.text()


def test_a_pipe_gets_lines_and_one_whose_reader_has_gone_ends_nothing(tmp_path, monkeypatch, capsys):
    run = Run(tmp_path, monkeypatch, {"saes": 1})
    run.begin("saes", log="saes.log")
    run.end("saes", 3)
    said = capsys.readouterr().out
    assert said.endswith("saes: done in 3 s; 1 of 2 steps\n") and "\x1b" not in said and "\r" not in said
    reader, writer = os.pipe()
    os.close(reader)
    run.handler.stream = io.TextIOWrapper(os.fdopen(writer, "wb", buffering=0), write_through=True)
    monkeypatch.setattr("sys.stderr", run.handler.stream)  # 2>&1 | head
    with pytest.raises(BrokenPipeError):
        run.handler.say("a line")
    run.handler.emit(SimpleNamespace(event=terminal.LogEvent.RUN_INFO, stats={"one": 1, "total": 1}))


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_a_cache_that_cannot_be_written_is_one_line(monkeypatch, tmp_path, variable):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    terminal.need_cache()
    monkeypatch.setenv(variable, "/proc/nowhere")
    with pytest.raises(SystemExit, match=r"^rewardscope: /proc/nowhere/.*: Snakemake's cache cannot be kept here \(.*\); set XDG_CACHE_HOME to"):
        terminal.need_cache()


def test_a_job_that_the_kernel_killed_for_memory_is_told_of(monkeypatch, capsys):
    """Its log has no last line: only the control group's count of such kills has grown."""
    kills = [0]
    monkeypatch.setattr(terminal.budget, "killed_for_memory", lambda: kills[0])
    handler = made()
    failed = lambda: handler.job_failed(SimpleNamespace(jobid=1, rule_name="saes", log=[]))
    failed()
    assert "memory" not in capsys.readouterr().out
    kills[0] = 1
    failed()
    failed()  # of another reason
    said = capsys.readouterr().out
    assert said.count("rewardscope: saes: the kernel killed a process for want of memory; lower sae_seeds, ") == 1

"""What a run says, on a terminal and elsewhere; the time left against sums made by hand."""

import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from snakemake_logger_plugin_rewardscope import terminal, times

SECONDS = {"train": 100.0, "look": 10.0, "table": 2.0}
NEEDS = {"look": {"train"}, "table": {"look"}}


def test_work_left_is_shared_by_the_cores():
    """8 looks of 10 s on half of the machine each: 40 s; then the table."""
    waiting = {"look": 8, "table": 1}
    assert times.time_left(waiting, [], SECONDS, {"look": 0.5, "table": 0.5}, NEEDS) == (41.0, True)


def test_jobs_that_wait_for_each_other_are_not_shared():
    """30 s of training left, one look, one table: 42 s however many cores there are."""
    waiting, running = {"look": 1, "table": 1}, [("train", 30.0)]
    assert times.time_left(waiting, running, SECONDS, {"train": 0.1, "look": 0.1, "table": 0.1}, NEEDS) == (42.0, True)


def test_a_rule_without_a_time_makes_it_a_lower_bound():
    assert times.time_left({"train": 1, "new": 3}, [], SECONDS, {}, NEEDS) == (100.0, False)
    assert times.time_left({"new": 3}, [], {}, {}, {}) is None


def test_times_of_earlier_runs_are_found_by_rule(tmp_path):
    """A job that ended before Snakemake looked has no load: it counts as one CPU. A site may be called as the folder."""
    tmp_path = tmp_path / "benchmarks"
    head = "s\th:m:s\tmax_rss\tmean_load\tcpu_time\n"
    (tmp_path / "saes/site").mkdir(parents=True)
    (tmp_path / "saes/site/a.tsv").write_text(head + "10.0\t0:00:10\t1\t90.0\t9\n")
    (tmp_path / "saes/site/b.tsv").write_text(head + "14.0\t0:00:14\t1\t150.0\t21\n")
    (tmp_path / "table3.tsv").write_text(head + "2.0\t0:00:02\tNA\tNA\tNA\n")
    (tmp_path / "killed.tsv").write_text("")
    expected = {"saes": [(10.0, 0.9), (14.0, 1.5)], "table3": [(2.0, 1.0)]}
    assert times.earlier_times(tmp_path / "table3.tsv", "table3") == expected
    assert times.earlier_times(tmp_path / "saes/site/new.tsv", "saes") == expected
    assert times.earlier_times(tmp_path / "saes/site/new.tsv", "x_saes") == {f"x_{rule}": took for rule, took in expected.items()}  # of a module
    assert times.earlier_times(tmp_path / "elsewhere.tsv", "saes") == {}


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
    assert terminal.said(seconds) == words


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
    ours = SimpleNamespace(
        stdout=True, dryrun=False, quiet=set(), verbose=False, debug_dag=False, nocolor=True, show_failed_logs=False, printshellcmds=False
    )
    kills = [0]
    monkeypatch.setattr(terminal.budget, "killed_for_memory", lambda: kills[0])
    handler = terminal.LogHandler(common_settings=ours, settings=None)
    failed = lambda: handler.job_failed(SimpleNamespace(jobid=1, rule_name="saes", log=[]))
    failed()
    assert "memory" not in capsys.readouterr().out
    kills[0] = 1
    failed()
    failed()  # of another reason
    said = capsys.readouterr().out
    assert said.count("rewardscope: saes: the kernel killed a process for want of memory; lower sae_seeds, ") == 1

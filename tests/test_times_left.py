"""The time that a run still takes, against sums made by hand."""

import os

from snakemake_logger_plugin_rewardscope import times

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


def test_times_of_other_results_folders_are_those_in_it_around_it_and_beside_it(tmp_path):
    """Of two that have a rule, those of the one that ran last; its own are left out; a folder that is none of these is not looked into."""
    row = "s\th:m:s\tmax_rss\tmean_load\tcpu_time\n{}\t0:00:10\t1\t100.0\t9\n"
    for age, (place, rule, seconds) in enumerate(
        [
            ("results", "saes", 8.0),
            ("results", "rlhf", 30.0),
            ("results/all", "saes", 9.0),
            ("results/runs", "saes", 7.0),
            ("far/away", "table1", 1.0),
        ]
    ):
        folder = tmp_path / place / "benchmarks"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{rule}.tsv").write_text(row.format(seconds))
        os.utime(folder, (age, age))
    own = tmp_path / "results/all/benchmarks/corpus/reviews.tsv"
    assert times.earlier_times(own, "corpus", elsewhere=True) == {"saes": [(7.0, 1.0)], "rlhf": [(30.0, 1.0)]}
    assert times.earlier_times(own, "x_corpus", elsewhere=True) == {"x_saes": [(7.0, 1.0)], "x_rlhf": [(30.0, 1.0)]}
    assert times.earlier_times(tmp_path / "results/benchmarks/corpus.tsv", "corpus", elsewhere=True) == {"saes": [(7.0, 1.0)]}
    assert times.earlier_times(own, "corpus") == {"saes": [(9.0, 1.0)]}

"""What a job knows of itself by its log."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from rewardscope.run import job


@pytest.mark.parametrize(
    ("log", "output", "folder"),
    [
        (
            "results/logs/saes/pairs/tiny/utility/run1/base/paper.top1.width128.log",
            "results/pairs/tiny/utility/run1/base/x",
            "results/.work/saes/pairs/tiny/utility/run1/base/paper.top1.width128",
        ),
        ("x/logs/y/logs/saes/pairs/logs/saes/run1.log", "x/logs/y/pairs/logs/saes/run1/x", "x/logs/y/.work/saes/pairs/logs/saes/run1"),
        ("/a/results/logs/table3.log", "/a/results/tables/table3.csv", "/a/results/.work/table3"),
        ("logs/one.log", "made/one", ".work/one"),
    ],
)
def test_the_work_folder_is_named_as_the_log(log, output, folder):
    snakemake = SimpleNamespace(log=[log], output=[output])
    assert job.work(snakemake) == Path(folder)
    assert job.work(snakemake, "activations/site").parts[-3:] == (".work", "activations", "site")

"""Every column that the report shows has its sentence there: by the lists of columns that modules have; of the others by a finished run."""

from pathlib import Path

import pandas as pd
import pytest
from report_pages import STEP4, TABLE3, TABLE4, made_up

from rewardscope.findings import findings_table
from rewardscope.report import report
from rewardscope.report.tables import COLUMNS, TITLES, listing, meanings
from rewardscope.rlhf import methods
from rewardscope.tables import scores_table, section5_3, step4

LISTED = {
    "table3": [*TABLE3], "table4": [*TABLE4], "step4": [*step4.COLUMNS, *STEP4], "scores": scores_table.COLUMNS, "methods": methods.COLUMNS,
    "section5.3": section5_3.COLUMNS, "section5.3.words": section5_3.WORD_COLUMNS, "findings": findings_table.COLUMNS,
}  # fmt: skip


def without_sentence(name: str, columns: list[str]) -> list[str]:
    """Columns of a table that no sentence is of. "*_ci_low" of every table says what an ending means, and not of which measure."""
    own = {names: says for names, says in COLUMNS[name].items() if names != "about"}
    ends = [names for names in COLUMNS["every table"] if all(one.startswith("*") for one in names.split(", "))]
    found = {column: [names for names, _ in meanings(name, [column]) if names in own or names not in ends] for column in columns}
    return [column for column, names in found.items() if not names]


def shown(results: Path) -> dict[str, list[str]]:
    """The columns of every table of a run, as the report shows them."""
    return {file.stem: [*pd.read_csv(file, nrows=0)] for file in results.glob("tables/*.csv")}


@pytest.mark.parametrize("name", LISTED)
def test_every_column_has_its_sentence(name):
    assert without_sentence(name, LISTED[name]) == []
    assert without_sentence(name, ["nowhere", "nowhere_ci_low"]) == ["nowhere", "nowhere_ci_low"]


def test_every_table_has_its_own():
    assert {*TITLES} <= {*COLUMNS} and all(isinstance(says, str) for entries in COLUMNS.values() for says in entries.values())


@pytest.mark.workflow
def test_every_column_of_a_run_has_its_sentence(finished):
    found = shown(finished / "results")
    assert len(found) > 10 and {name: columns for name in found if (columns := without_sentence(name, found[name]))} == {}


def test_sentences_are_those_of_the_columns_that_are_there():
    found = listing("tables/step4.csv", pd.DataFrame({"layer": [3], "net": [1.0], "change": ["found"]}))
    assert [names for names, _ in found["meanings"]] == [
        "change",
        "random, net, net_ci_*",
        "*random_base, *random_rlhf, *net, *net_ci_*",
        "layer, layers",
    ]
    assert found["about"].startswith("A row per layer")
    page, data = made_up(0)
    assert (
        report.render(page | {"tables": [found]}, data).count("<dt><code>random, net, net_ci_*</code></dt><dd>the count of as many random rows;") == 1
    )


def test_what_stands_between_backticks_is_code_and_nothing_else_is_html():
    assert report.code("`a<b` is <i>, `c`") == "<code>a&lt;b</code> is &lt;i&gt;, <code>c</code>"
    assert report.code("no code") == "no code"


def test_no_sentence_says_how_a_model_was_tuned():
    """It may have been given; names of columns keep `rlhf`."""
    assert not [says for entries in COLUMNS.values() for says in entries.values() if "RLHF" in says or "PPO" in says]

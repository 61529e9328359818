"""The configuration's reference and the tables' columns: the files are what the models give, and say what config.yaml says."""

import re

import jsonschema
import pytest
import yaml
from staleness import DEFAULT, TABLE
from workflow_runs import ROOT

from rewardscope.__main__ import main
from rewardscope.config import reference
from rewardscope.config.config import load

README = (ROOT / reference.README).read_text(encoding="utf-8")
SCHEMA = yaml.safe_load((ROOT / reference.SCHEMA).read_text(encoding="utf-8"))


def test_the_files_are_what_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())
    assert main(["reference"]) == 0
    for file in (reference.README, reference.SCHEMA, reference.COLUMNS):
        assert (tmp_path / file).read_bytes() == (ROOT / file).read_bytes(), "run `python -m rewardscope reference`"


def test_every_key_has_a_row():
    """The table of stale rules, written by hand, has every key once; a reward's own PPO settings are those of `rlhf`."""
    rows = re.findall(r"^\| `([^`]+)` \| (?!map\b)", README, re.MULTILINE)
    assert sorted(rows) == sorted(TABLE)


@pytest.mark.parametrize(
    "row",
    [
        "| `seed` | whole number ≥ 0 | `1` | the one number from which every random state is derived |",
        "| `runs` | whole number ≥ 1, ≤ 1000 | `3` | tuning seeds per pair; with one, tables speak of that run only |",
        "| `device` | `auto`, `cpu`, `cuda` | `auto` | auto (CUDA when there is one), cpu or cuda |",
        "| `corpora.*.held` | number > 0, < 1 | `0.3` | share of test documents kept for scores and tables, by hash of the text |",
        "| `corpora.*.strip_breaks` | true or false | `true` | strip `<br />` |",  # config.yaml leaves it out
        "| `models.*.sae.widths` | list of two: whole number ≥ 1 | `[128, 256]` | small and large dictionary |",
        "| `models.*.pretrain` | map, or empty | | train from scratch |",
        "| `models.*.hub` | text, or empty | | name of a model on the hub |",
        "| `rewards.*.classifier.train.tokens` | whole number ≥ 16 | `192` | longest text, tokens; a longer one is cut |",
        "| `rewards.*.twin_of` | text, or empty | `utility` | a placebo of this reward, which every table measures it by |",
        "| `layers` | list: whole number ≥ 0 | `[]` | or pin layer numbers (from 0); replaces `picks`, shares the base |",
        "| `llm.base_url` | text | `https://api.openai.com/v1` | address of a server that speaks OpenAI's chat-completions protocol |",
    ],
)
def test_a_row(row):
    assert README.count(f"\n{row}\n") == 1


def test_the_schema_takes_the_merged_default_and_no_wrong_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    whole = load(DEFAULT).model_dump(mode="json")
    jsonschema.validate(whole, SCHEMA)
    for wrong in ({"runs": 0}, {"device": "gpu"}, {"rum": 1}, {"rlhf": {**whole["rlhf"], "kl": "x"}}, {"pairs": [{"model": "tiny"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**whole, **wrong}, SCHEMA)


def test_the_catalog_s_settings():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"} and usage["report"] is True
    assert usage["software-stack-deployment"] == {"conda": True, "apptainer": False, "apptainer+conda": False}

"""The report: what it says is in the tables, and no text that it shows can become markup or run."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from report_pages import HOSTILE, PAIR, Tags, html, made_up

from rewardscope.errors import UserError
from rewardscope.report import report


def test_hostile_text_adds_no_tag():
    def tags(text: str) -> Tags:
        page, data = made_up(3, text)
        for pair in page["pairs"]:  # else as many lines as there are words
            pair["phrases"] = {"1": [f"“{text}” in 50 % of its completions"]}
        return Tags(report.render(page, data))

    plain, hostile = tags(""), tags(HOSTILE)
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert [list(attributes) for _, attributes in hostile.tags] == [list(attributes) for _, attributes in plain.tags]
    assert sum(HOSTILE.replace("\u0000", "")[:40] in text.replace("\u0000", "") for text in hostile.text) >= 5  # it is there, as text


def test_data_comes_back_as_it_was(tmp_path):
    page, data = made_up(2, HOSTILE)
    (tmp_path / "report.html").write_text(report.render(page, data), encoding="utf-8")
    as_shown = json.loads(json.dumps(data, ensure_ascii=False).replace("\u202e", "·").replace("\u2066", "·"))
    assert report.read(tmp_path / "report.html") == as_shown
    block = (tmp_path / "report.html").read_text(encoding="utf-8").split(report.BLOCK)[1].split("</script>")[0]
    assert not set("<>&'") & set(block)


def test_no_character_of_the_file_turns_or_moves_the_text():
    """Raw or not: what JSON escapes and the script would put back are line ends and controls, which a browser does not act on."""
    text = html(3, HOSTILE + "\x1b\x9b\u2028")
    assert {unicodedata.category(c) for c in text.replace("\n", "")}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert "\\u202e" not in text and "<b>··" in text.replace("&lt;", "<").replace("&gt;", ">") and text.encode()
    script, style = (Path(report.__file__).with_name(f"report.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    assert script in text and style in text  # as the policy's hashes have them


def test_nan_is_no_json():
    page, data = made_up(1)
    data["features"][0]["cosine"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        report.render(page, data)


def test_the_policy_allows_the_file_s_own_script_and_style_alone():
    page = html(1)
    policy = dict(Tags(page).tags[3][1])["content"]
    for kind, tag in (("script-src", "<script>"), ("style-src", "<style>")):
        text = page.split(tag)[1].split(tag.replace("<", "</"))[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert [a for tag, a in Tags(page).tags if "style" in a or any(name.startswith("on") for name in a)] == []
    assert not re.search(r"""(?:src|href)="(?!#|data:)""", page)


def test_a_section_without_inputs_is_left_out():
    page, data = made_up(0)
    shown = report.render({**page, "completions": [], "training": [], "scores": [], "step4": [], "findings": []}, data)
    assert 'id="verdict"' in shown and 'id="provenance"' in shown
    assert not re.search(r'<section id="(?:features|completions|rlhf|quality|scores|sweeps|changes|findings)"', shown)
    assert [key for key, _ in page["contents"]] == [
        "verdict",
        "findings",
        "beside",
        "rlhf",
        "divergence",
        "scores",
        "completions",
        "changes",
        "tables",
        "provenance",
    ]


# ---- the terminal ----


def show(*arguments):
    return subprocess.run([sys.executable, "-m", "rewardscope", "show", "feature", *arguments], capture_output=True, text=True, check=False)


def test_a_feature_in_the_terminal(tmp_path):
    file = tmp_path / "report.html"
    file.write_text(html(4, "\x1b[31m\u202e"), encoding="utf-8")
    run = show("tiny/utility/run1/base/layer3/seed1/feature1", "--report", str(file))
    assert run.returncode == 0, run.stderr
    for said in (
        "place 2 of 128",
        'Fires on "word1"',
        "[+3.2]",
        "fires on 10.00% of tokens in base, 20.00% in the tuned model",
        "« film",
        "(40 tokens that the models wrote): romance·[31m· 0.99 to 15 %, war 20 to 9.9 %",
    ):
        assert said in run.stdout
    assert "\x1b" not in run.stdout and "\u202e" not in run.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["tiny/utility/run1/base/layer3/seed1/feature9"], "there are tiny/utility/run1/base/layer3/seed1/feature1"), ([], "which feature?")],
)
def test_a_feature_that_is_not_there(tmp_path, arguments, says):
    file = tmp_path / "report.html"
    file.write_text(html(2), encoding="utf-8")
    with pytest.raises(UserError, match=says):
        report.features(arguments, file)


def test_a_file_that_is_no_report(tmp_path):
    (tmp_path / "x.html").write_text("<html>")
    for file in ("x.html", "none.html"):
        with pytest.raises(UserError, match="cannot be read as a report"):
            report.features(["a"], tmp_path / file)


@pytest.mark.workflow
def test_the_report_of_a_run(finished):
    data = report.read(finished / "results/report.html")
    over_seeds = pd.read_parquet((finished / f"results/{PAIR}").parent / "groups.parquet")
    explained = sorted((finished / f"results/{PAIR}").glob("*/explanations/**/*.jsonl"))
    lines = {file: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] for file in explained}
    listed = [entry for entry in data["features"] if "/crosscoder/" not in entry["id"]]  # of those tests/test_workflow.py
    assert len(listed) == sum(map(len, lines.values())) > 0
    for entry in listed:
        _, _, _, side, layer, seed, name = entry["id"].split("/")
        (file,) = (f for f in explained if f"/{side}/" in str(f) and f"/{seed}." in str(f))
        line = next(line for line in lines[file] if f"feature{line['feature']}" == name)
        assert (entry["on"], entry["place"]) == (line["activates_on"], line["place"])
        row = over_seeds.query("side == @side and seed == @s and feature == @f", local_dict={"side": side, "s": int(seed[4:]), "f": line["feature"]})
        assert entry["nearCos"] == pytest.approx(row["cosine"].item(), abs=1e-4) and layer == f"layer{row['layer'].item()}"
        assert len(entry["same"]) == entry["in"][0] and [1, int(seed[4:]), line["feature"]] in entry["same"]
        assert sum(entry["hist"]) == entry["fires"] and all(max(w["v"]) <= 100 and w["v"][w["p"]] > 0 for w in entry["win"])
    page = (finished / "results/report.html").read_text(encoding="utf-8")
    assert "Did it learn this reward?" in page and "Do its features hold more" in page
    assert "Every file that this was made from is as its job left it" in page  # the provenance records

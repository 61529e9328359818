"""Text from data and servers, as a terminal, a log or a page may see it."""

import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import tiny
import yaml

from rewardscope import checksums
from rewardscope.__main__ import main
from rewardscope.config.config import ConfigError
from rewardscope.errors import UserError, brief
from rewardscope.export import saelens
from rewardscope.rlhf import preferences
from rewardscope.run import job
from rewardscope.setup import doctor
from rewardscope.text import plain
from snakemake_logger_plugin_rewardscope.terminal import LogHandler

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x1b[0m \u202eevil\u2066\r\x9b2J"
SHOWN = "·]0;owned··[31mred·[0m ·evil· ·2J"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, SHOWN),
        ("a\nb\tc\u2028d\x0be", "a b c d e"),
        ("\ud800\ufeff\u00ad\u200f\u061c\U000e0041", "······"),
        ("नमस्\u200dते می\u200cخواهم 日本語\u3000です 1\u00a0000 👩\u200d🚀", "नमस्\u200dते می\u200cخواهم 日本語\u3000です 1\u00a0000 👩\u200d🚀"),
        ("", ""),
    ],
)
def test_what_acts_is_shown_as_a_dot(text, shown):
    assert plain(text) == shown == plain(shown)


def test_what_is_kept():
    assert plain("a\n\tb\x1b", keep="\n\t") == "a\n\tb·"


def test_every_error_for_the_user_is_one_line():
    for error in (UserError(f"x: {HOSTILE}\nsecond"), ConfigError(f"x: {HOSTILE}\nsecond")):
        assert str(error) == f"x: {SHOWN} second"
    assert brief(ValueError(f"  {HOSTILE}\n\n line")) == f"{SHOWN} line"


def test_a_table_in_the_terminal(tmp_path, capsys):
    pd.DataFrame({"text\x1b[2J": [HOSTILE.replace("\r", "")], "n": [1.5]}).to_csv(tmp_path / "a\x1bb.csv", index=False)
    assert main(["show", str(tmp_path / "a\x1bb.csv")]) == 0
    said = capsys.readouterr().out
    assert "a·b.csv\n" in said and "text·[2J" in said and "·[31mred" in said and "1.5" in said
    assert said.replace("\n", "").isprintable()


DEEP = ('{"a":' * 10**5, "[" * 10**5)


@pytest.mark.parametrize("text", DEEP, ids=["maps", "lists"])
def test_json_nested_too_deep_is_one_line(tmp_path, text):
    """Wherever JSON is read that may be a user's or damaged."""
    for name in ("a.json", "a.jsonl", saelens.CFG, checksums.NAME, saelens.SAELENS):
        (tmp_path / name).write_text(text)
    (tmp_path / "rows.jsonl").write_text(f"{text}\n")
    readers = {
        "a.json": lambda file: main(["show", file]),
        "a.jsonl": lambda file: main(["show", file]),
        saelens.CFG: lambda file: saelens._json(Path(file)),
        checksums.NAME: lambda file: saelens.load_sae(Path(file).parent),
        "rows.jsonl": lambda file: preferences._rows(file, ["prompt"]),
    }
    for name, read in readers.items():
        with pytest.raises(UserError, match=r"^[^\n]*recursion[^\n]*$") as caught:
            read(str(tmp_path / name))
        assert str(tmp_path / name) in str(caught.value) and len(str(caught.value)) < 500


def hostile_findings(folder: Path) -> tuple[list[str], list[Path]]:
    """`show findings` of a table whose every text is hostile, counts too."""
    one = {
        "model": HOSTILE,
        "reward": HOSTILE,
        "method": HOSTILE,
        "mode": HOSTILE,
        "problem": HOSTILE,
        "sentence": HOSTILE,
        "score": 2.5,
        "threshold": 1.5,
    }
    table = pd.DataFrame([one | {"contexts": "features", "rank": HOSTILE, "runs": HOSTILE, "of_runs": HOSTILE, "shown": True}])
    table.map(lambda value: value.replace("\r", "") if isinstance(value, str) else value).to_csv(folder / "findings.csv", index=False)
    return ["show", "findings", str(folder / "findings.csv")], []


def hostile_init(folder: Path) -> tuple[list[str], list[Path]]:
    """`init` of checkpoints and documents that name things so, and what it writes."""
    for name in ("base", "tuned"):
        shutil.copytree(tiny.checkpoint("llama"), folder / name, ignore=shutil.ignore_patterns("*.safetensors"))
        config = json.loads((folder / name / "config.json").read_text())
        (folder / name / "config.json").write_text(json.dumps(config | {"architectures": [HOSTILE]}))
    pd.DataFrame({"text": tiny.texts(), HOSTILE: 1}).to_parquet(folder / "a\u202eb.parquet")
    return ["init", "--base", "base", "--tuned", "tuned", "--corpus", "a\u202eb.parquet", "--to", "mine.yaml"], [folder / "mine.yaml"]


def hostile_doctor(folder: Path) -> tuple[list[str], list[Path]]:
    """`doctor` of a config by such a name, and of a machine that says such things."""
    (folder / f"{HOSTILE}.yaml").write_text("seed: 1\n")
    return ["doctor", "--configfile", str(folder / f"{HOSTILE}.yaml")], []


def hostile_lineage(folder: Path) -> tuple[list[str], list[Path]]:
    """`lineage` of a result with such a name, from a record of such a rule, made of files with such names, one of which is gone."""
    name, given = f"tables/{HOSTILE}.csv", f"../{HOSTILE}"
    record = {
        "rule": HOSTILE, "started": HOSTILE, "seconds": 1.0, "params": {"code": HOSTILE}, "git": {"commit": HOSTILE, "clean": True},
        "inputs": {given: HOSTILE}, "outputs": {name: {"sha256": HOSTILE}},
    }  # fmt: skip
    for file, text in ((name, "x"), (f"provenance/{name}.json", json.dumps(record))):
        (folder / "results" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "results" / file).write_text(text)
    return ["lineage", str(folder / "results" / name)], []


@pytest.mark.parametrize("asked", [hostile_findings, hostile_init, hostile_doctor, hostile_lineage])
def test_no_command_lets_text_act_on_the_terminal(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "CHECKS", {"a": (lambda _config: [doctor.Line("a", doctor.OK, HOSTILE)], 1.0)})
    arguments, written = asked(tmp_path)
    main(arguments)
    said = capsys.readouterr()
    texts = [said.out, said.err, *(file.read_text() for file in written)]
    assert "[31mred" in said.out + "".join(texts[2:]) and all(text.replace("\n", "").isprintable() for text in texts)
    for file in written:
        assert yaml.safe_load(file.read_text())["corpora"]["a-b"]["path"] == dict.fromkeys(("train", "test"), "a\u202eb.parquet")  # not another name


def test_a_table_of_findings_whose_numbers_are_none(tmp_path):
    (tmp_path / "a.csv").write_text(
        "contexts,model,reward,mode,problem,method,rank,sentence,score,threshold,runs,of_runs,shown\nfeatures,m,r,x,,ppo,1,s,a,b,1,1,True\n"
    )
    with pytest.raises(UserError, match="cannot be read as the table of findings"):
        main(["show", "findings", str(tmp_path / "a.csv")])


def test_a_log_and_a_job_s_warning(tmp_path, capsys):
    with job._Log(open(tmp_path / "x.log", "wb"), encoding="utf-8", line_buffering=True) as log:
        print(f"a {HOSTILE}\n\tb", file=log)
        assert (tmp_path / "x.log").read_text(encoding="utf-8") == f"a {SHOWN}\n\tb\n"  # at once
    job.warn(type("Job", (), {"rule": "rlhf"}), HOSTILE)
    assert capsys.readouterr().err == f"rewardscope: rlhf: {SHOWN}\n"


def test_the_run_s_own_lines():
    said = io.StringIO()
    handler = type("Handler", (), {"drawing": False, "stream": said, "write": LogHandler.write})()
    LogHandler.say(handler, HOSTILE)
    assert said.getvalue() == f"{SHOWN}\n"

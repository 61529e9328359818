"""Text from data and servers, as a terminal, a log or a page may see it."""

import io

import pandas as pd
import pytest

from rewardscope.__main__ import main, show
from rewardscope.config.config import ConfigError
from rewardscope.errors import UserError, brief
from rewardscope.run import job
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


def test_a_wide_table_is_folded_and_json_is_read(tmp_path, capsys):
    pd.DataFrame({"name": ["one", "two"], "text": ["word " * 30, None], "n": [0.123456, 2.0]}).to_csv(tmp_path / "a.csv", index=False)
    show(str(tmp_path / "a.csv"), 60)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[1:])) <= 60 and lines.count("") == 2 and lines[1].split() == ["name", "one"] and "text  -" in lines
    assert " ".join(line.split("text")[-1].strip() for line in lines if "word" in line) == ("word " * 30).strip()
    show(str(tmp_path / "a.csv"), 10_000)
    assert len(capsys.readouterr().out.splitlines()) == 5
    (tmp_path / "a.json").write_text('{"loss": 1.5, "of": {"base": 2}}')
    assert main(["show", str(tmp_path / "a.json")]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:3]] == [["loss", "1.5"], ["of.base", "2"]]
    for text in ("{", "3", '["x"]'):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(UserError, match="cannot be read as a table"):
            main(["show", str(tmp_path / "a.json")])


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

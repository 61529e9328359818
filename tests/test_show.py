"""`python -m rewardscope show`: CSV, JSON and JSON lines as one table, folded where the terminal is narrower."""

import sys

import pandas as pd
import pytest

from rewardscope.__main__ import main, show
from rewardscope.errors import UserError

LONG = "word " * 30


def fields(lines: list[str], start: int) -> list[tuple[str, str]]:
    """Name and value of each field of a folded table whose values begin at column `start`; the lines of a value joined."""
    out = []
    for line in filter(None, lines):
        name, value = line[:start].strip(), line[start:].strip()
        out = [*out, (name, value)] if name else [*out[:-1], (out[-1][0], f"{out[-1][1]} {value}")]
    return out


def test_a_wide_table_is_folded(tmp_path, capsys):
    pd.DataFrame({"name": ["one", "two"], "text": [LONG, None], "n": [0.123456, 2.0]}).to_csv(tmp_path / "a.csv", index=False)
    show(str(tmp_path / "a.csv"), 60)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(tmp_path / "a.csv") and 50 < max(map(len, lines[1:])) <= 60 and lines.count("") == 2
    assert fields(lines[1:], len("name  ")) == [("name", "one"), ("text", LONG.strip()), ("n", "0.1235"), ("name", "two"), ("text", "-"), ("n", "2")]
    show(str(tmp_path / "a.csv"), 10_000)
    wide = capsys.readouterr().out.splitlines()
    assert [line.split() for line in wide[1:]] == [["name", "one", "two"], ["text", *LONG.split(), "-"], ["n", "0.1235", "2"], []]


def test_a_word_longer_than_the_terminal_is_cut_into_lines(tmp_path, capsys):
    (tmp_path / "a.csv").write_text(f"text\n{'x' * 100}\n")
    show(str(tmp_path / "a.csv"), 40)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines()[1:])) <= 40 and said.count("x", len(str(tmp_path))) >= 100


def test_the_width_is_the_terminal_s_and_a_pipe_has_none(tmp_path, capsys, monkeypatch):
    pd.DataFrame({"name": ["one"], "text": [LONG]}).to_csv(tmp_path / "a.csv", index=False)
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["show", str(tmp_path / "a.csv")]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines()[1:])) > 150
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["show", str(tmp_path / "a.csv")]) == 0
    assert 50 < max(map(len, capsys.readouterr().out.splitlines()[1:])) <= 70


def said_of(file, text: str, capsys) -> list[list[str]]:
    """The words of each line that `show` prints below the name of a file that holds `text`."""
    file.write_text(text, encoding="utf-8")
    assert main(["show", str(file)]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()[1:] if line]


def test_json_is_read(tmp_path, capsys):
    file = tmp_path / "a.json"
    assert said_of(file, '{"loss": 1.5, "of": {"base": 2}}', capsys) == [["loss", "1.5"], ["of.base", "2"]]
    assert said_of(file, '[{"loss": 1.5}, {"loss": 2, "of": {"base": "x"}}]', capsys) == [["loss", "1.5", "2"], ["of.base", "-", "x"]]


def test_json_lines_are_rows(tmp_path, capsys):
    """An empty line is none; a text may hold what Unicode, and not JSON, takes for a line's end."""
    file = tmp_path / "a.jsonl"
    rows = '{"feature": 7, "promotes": "no\u2028praise", "evidence": {"values": [3, 1]}}\n\n{"feature": 8, "promotes": "\x1b[2J"}\n'
    rows = rows.replace("\x1b", "\\u001b")
    assert said_of(file, rows, capsys) == [["feature", "7", "8"], ["promotes", "no", "praise", "·[2J"], ["evidence.values", "[3,", "1]", "-"]]


@pytest.mark.parametrize(
    "name, text, where",
    [
        ("a.json", "{", ""), ("a.json", "3", ""), ("a.json", '["x"]', ""), ("a.jsonl", '{"a": 1}\n{"a": 2', ", line 2"), ("a.jsonl", '{"a": 1}\n3\n', ""),
        ("a.jsonl", None, ""), ("a.csv", "", ""),
    ],
)  # fmt: skip
def test_what_is_no_table_is_one_line(tmp_path, name, text, where):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as error:
        main(["show", str(tmp_path / name)])
    assert str(error.value).startswith(f"{tmp_path / name}{where}: cannot be read as a table (") and "\n" not in str(error.value)

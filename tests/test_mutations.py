"""A mistake in the config is one line that names the key, and nothing is written."""

import pytest
from mutations import check, complaint, mutations, of_a_kind, refused
from workflow_runs import ROOT, SMALL

from rewardscope.config.files import check_text
from rewardscope.errors import UserError

MUTATIONS = mutations()


def test_there_are_many():
    """All of them: tests/system/test_every_mutation.py; through Snakemake: tests/long/."""
    assert len(MUTATIONS) > 1000
    kinds = {what.split(": ", 1)[1] for what in MUTATIONS}
    assert kinds == {what.split(": ", 1)[1] for what in of_a_kind(MUTATIONS)} and len(kinds) > 70


@pytest.mark.parametrize("what", of_a_kind(MUTATIONS))
def test_one_line_names_the_key(what):
    overlay, key = MUTATIONS[what]
    line = complaint(overlay)
    assert line.startswith("config: ") and line.isprintable() and len(line) < 500
    assert key in line


# (what is wrong, the file, what is said about it)
TEXTS = {
    "not YAML": (b"seed: 1\na: [1\nb: }\n", "line 3: this is not YAML (expected ',' or ']', but got ':')"),
    "tab": (b"rlhf:\n\tkl: 1\n", "line 2: this is not YAML (found character '\\t' that cannot start any token)"),
    "unknown anchor": (b"seed: *none\n", "line 1: this is not YAML (found undefined alias 'none')"),
    "not UTF-8": (b"seed: 1\n# caf\xe9\n", "line 2: this is not UTF-8"),
    "null byte": (b"device: cpu\nseed: 1\x00\n", "line 2: a control character"),
    "list": (b"- seed\n", "must hold a map, `key: value`"),
    "text": (b"seed=1\n", "must hold a map, `key: value`"),
    "nothing": (b"# seed: 1\n", "must hold a map, `key: value`"),
    "nested": (b"seed: " + b"[" * 600 + b"]" * 600, "line 1: nested more than 50 levels deep"),
    "twice": (b"seed: 1\nruns: 1\nseed: 2\n", "line 3: seed is given twice (line 1); remove one of them"),
    "twice below": (b"pairs:\n  - {model: a, reward: b, model: c}\n", "line 2: model is given twice (line 2); remove one of them"),
    "twice by quotes": (b"rlhf:\n  kl: 1.0\n  'kl': 2.0\n", "line 3: kl is given twice (line 2); remove one of them"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_a_broken_file_is_named_with_its_line(what, tmp_path):
    file = tmp_path / "config.yaml"
    text, said = TEXTS[what]
    file.write_bytes(text)
    with pytest.raises(UserError) as caught:
        check_text(file)
    assert str(caught.value).startswith(f"config: {file}") and str(caught.value).endswith(said)


def bomb(levels: int, width: int) -> str:
    """Lists of lists of ... that stand for width ** levels entries."""
    lines = ["seed: &x0 [1, 1]"]
    lines += [f"b{i}: &x{i} [{', '.join([f'*x{i - 1}'] * width)}]" for i in range(1, levels)]
    return "\n".join(lines)


def test_sound_files_pass(tmp_path):
    for file in [ROOT / "config.yaml", SMALL, *ROOT.glob("config/*.yaml")]:
        check_text(file)
    file = tmp_path / "x.yaml"
    for text in (bomb(9, 9), "a: &a {kl: 1}\nb: {<<: *a, kl: 2}\nc: {<<: *a}\n", "1: a\n'1': b\n"):
        file.write_text(text)
        check_text(file)
    tabs = tmp_path / "x.json"
    tabs.write_text('{\n\t"seed": 1\n}\n')
    check_text(tabs)
    with pytest.raises(UserError, match="cannot be read"):
        check_text(tmp_path / "none.yaml")


# ---- through Snakemake -----------------------------------------------------------------------
SAMPLE = ["results: above", "models: name shell", "rlhf.kl: not a number", "pairs[].reward: unknown"]


@pytest.mark.workflow
@pytest.mark.parametrize("what", SAMPLE)
def test_snakemake_says_that_line_and_writes_nothing(what, served, tmp_path):
    check(MUTATIONS[what][0], served, tmp_path)


@pytest.mark.workflow
def test_snakemake_says_that_of_an_overlay_s_text(served, tmp_path):
    assert refused(tmp_path, b"seed: 1\nseed: 2\n", served).endswith("overlay.yaml, line 2: seed is given twice (line 1); remove one of them")

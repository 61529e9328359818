"""Configs that `init` writes for tiny checkpoints: what it found out, what it refuses, and that the workflow takes each."""

import json
import shutil
from math import ceil
from pathlib import Path

import fake_hub
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import yaml

from rewardscope.__main__ import main
from rewardscope.errors import UserError
from rewardscope.setup import checks, init

NEVER = "it could be read"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with a base and a tuned model whose weights nobody can read, an adapter, documents and a reward."""
    monkeypatch.chdir(tmp_path)
    fake_hub.connect(monkeypatch, tmp_path / "hub")
    for name in ("base", "tuned"):
        shutil.copytree(tiny.checkpoint("llama"), name, ignore=shutil.ignore_patterns("*.safetensors"))
        Path(name, "model.safetensors").write_text(NEVER)
    adapter(base_model_name_or_path="base")
    pd.DataFrame({"body": tiny.texts(), "stars": 3}).to_csv("documents.csv", index=False)
    Path("rewards.py").write_text("def length(texts):\n    return [len(text) for text in texts]\n")
    return tmp_path


def adapter(**keys) -> None:
    Path("adapter").mkdir(exist_ok=True)
    Path("adapter/adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, **keys}))


def config_of(name: str, **keys) -> None:
    """A checkpoint's config.json with some keys changed."""
    file = Path(name, "config.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


def written(*arguments: str) -> tuple[dict, str]:
    """The overlay that the command writes, by a loader of YAML alone, and its text; the workflow's checks take it."""
    to = Path("config/mine.yaml")
    assert main(["init", *arguments, "--force"]) == 0
    checks.read([to])
    return yaml.safe_load(to.read_text()), to.read_text()


def refused(*arguments: str) -> str:
    """The one line of a refusal, after which there is no file."""
    with pytest.raises(UserError) as caught:
        main(["init", *arguments])
    assert "\n" not in str(caught.value) and not list(Path().glob("config/*")) and not list(Path().glob("config/.*"))
    return str(caught.value)


# ---- what is found out -------------------------------------------------------------------------
def test_a_pair_alone():
    overlay, text = written("--base", "base", "--tuned", "tuned", "--corpus", "documents.csv")
    counts = sorted(len(tiny.tokenizer()(text)["input_ids"]) for text in tiny.texts())
    tokens = min(tiny.CONTEXT, ceil(counts[56] / 8) * 8)  # 57 of 60 are 95 %
    assert overlay == {
        "results": "results/mine",
        "pairs": [{"model": "base", "name": "tuned", "corpus": "documents", "rlhf": "tuned"}],
        "models": {"base": {"path": "base", "sae": {"widths": [16, 32], "l0": 2}}},  # d_model 16
        "corpora": {
            "documents": {"path": {"train": "documents.csv", "test": "documents.csv"}, "text": "body", "max_documents": {"train": 60, "test": 60}}
        },
        "picks": {"top": 1},
        "activations": {"tokens": tokens},
    }
    assert "LlamaForCausalLM with 3 layers of d_model 16; reads at most 64 tokens" in text and "features active a token" in text
    disk = 60 * tokens * 16 * 4 / 2**20  # documents x tokens x d_model x bytes, one layer
    assert f"Disk: activations take at most {2 * disk:.1f} MiB, {disk:.1f} MiB a side, kept." in text and "Time: known after a first run." in text
    assert sum(line.lstrip().startswith("#") or "  # " in line for line in text.splitlines()) >= 9


def test_tokens_are_those_that_documents_have():
    """19 of 20 documents have at most 3 tokens, rounded up to 8."""
    Path("documents.txt").write_text("\n".join(["a"] * 1 + [f"{i} a" for i in range(10, 28)] + [" ".join(tiny.texts()[:9])]) + "\n")
    overlay, text = written("--base", "base", "--tuned", "tuned", "--corpus", "documents.txt")
    assert overlay["activations"] == {"tokens": 8} and "1 of 20 documents have more" in text
    Path("base/tokenizer.json").unlink()
    text = written("--base", "base", "--tuned", "tuned", "--corpus", "documents.csv")[1]
    assert "at 4 characters a token" in text


def test_completions_fit_a_short_context():
    for name in ("base", "tuned"):
        config_of(name, max_position_embeddings=24)
    overlay, _ = written("--base", "base", "--tuned", "tuned")
    assert overlay["activations"] == {"tokens": 24} and overlay["pairs"][0]["corpus"] == "reviews" and "corpora" not in overlay
    assert overlay["completions"] == {"prefix": 12, "new": 12} and overlay["findings"] == overlay["causes"] == {"prefix": 8, "new": 16}


def test_a_model_without_a_longest_sequence_and_one_of_several_parts():
    shutil.rmtree("base")
    Path("base").mkdir()
    Path("base/config.json").write_text(json.dumps({"model_type": "bloom", "hidden_size": 24, "n_layer": 5, "architectures": ["BloomForCausalLM"]}))
    shutil.copytree("base", "bloom")
    overlay, text = written("--base", "base", "--tuned", "bloom")
    assert overlay["models"]["base"]["sae"] == {"widths": [24, 48], "l0": 4} and overlay["activations"] == {"tokens": 256}
    assert "5 layers of d_model 24; its config names no longest sequence" in text
    parts = {"hidden_size": 40, "num_hidden_layers": 7, "model_type": "gemma3_text", "max_position_embeddings": 512}
    Path("base/config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": parts}))
    overlay, _ = written("--base", "base", "--tuned", "base")
    assert overlay["models"]["base"]["sae"]["widths"] == [40, 80]


def test_an_adapter_names_its_base():
    overlay, _ = written("--tuned", "adapter", "--corpus", "documents.csv")
    assert overlay["models"] == {"base": {"path": "base", "sae": {"widths": [16, 32], "l0": 2}}}
    assert overlay["pairs"][0]["rlhf"] == "adapter"
    adapter(base_model_name_or_path="org/base", revision="v2")
    fake_hub.lay_out(Path.cwd() / "hub", "model", "org/base", fake_hub.FIRST, {"config.json": Path("base/config.json").read_bytes()}, "v2")
    assert written("--tuned", "adapter")[0]["models"]["base"] | {"sae": 0} == {
        "hub": "org/base",
        "revision": "v2",
        "sae": 0,
    }
    said = written("--tuned", "adapter", "--base", "base")[1]
    assert "# adapter says that it was trained on org/base@v2: base must be that model.\n" in said


@pytest.mark.parametrize(
    ("reward", "name", "entry"),
    [
        ("vader", "utility", None),  # config.yaml has it
        ("rewards.py:length", "length", {"function": "rewards.py:length"}),
        ("sentiment.csv", "sentiment-mine", {"words": "sentiment.csv"}),  # config.yaml's entry of that name would be merged with it
    ],
)
def test_rewards(reward, name, entry):
    Path("sentiment.csv").write_text("word,utility\ngood,2\n")
    overlay, _ = written("--base", "base", "--tuned", "tuned", "--reward", reward)
    assert overlay["pairs"] == [{"model": "base", "reward": name, "corpus": "reviews", "rlhf": "tuned"}]
    assert overlay.get("rewards") == (entry and {name: entry})


def test_names_are_those_that_the_config_takes():
    for name in ("tiny", "a {b}..c"):
        shutil.copytree("base", name.replace("{", "(").replace("}", ")"))
    overlay, _ = written("--base", "tiny", "--tuned", "a (b)..c", "--corpus", "documents.csv")
    assert overlay["pairs"][0] | {"rlhf": 0} == {"model": "tiny-mine", "name": "a-b-c", "corpus": "documents", "rlhf": 0}
    assert init._name("...", ()) == "mine" and init._name("abcd" * 20, ()) == ("abcd" * 20)[:50]


def test_documents_in_two_files_and_labels_that_are_none():
    frame = pd.DataFrame({"text": tiny.texts(), "other": "b", "label": "good"})
    frame[:20].to_parquet("train.parquet")
    frame[20:].to_json("test.jsonl", orient="records", lines=True)
    overlay, _ = written("--base", "base", "--tuned", "tuned", "--corpus", "train.parquet", "test.jsonl")
    assert overlay["corpora"] == {
        "test": {"path": {"train": "train.parquet", "test": "test.jsonl"}, "label": "no label", "max_documents": {"train": 20, "test": 40}}
    }


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_a_column_that_is_text_in_all_but_name(kind):
    pq.write_table(pa.table({"stars": [3] * 60, "body": pa.array(tiny.texts()).cast(kind)}), "documents.parquet")
    overlay, _ = written("--base", "base", "--tuned", "tuned", "--corpus", "documents.parquet")
    assert overlay["corpora"]["documents"]["text"] == "body"


def test_a_document_longer_than_a_field_of_the_csv_reader():
    pd.DataFrame({"body": ["good " * 30_000, *tiny.texts()], "stars": 3}).to_csv("documents.csv", index=False)
    overlay, _ = written("--base", "base", "--tuned", "tuned", "--corpus", "documents.csv")
    assert overlay["corpora"]["documents"]["text"] == "body" and overlay["corpora"]["documents"]["max_documents"]["test"] == 61
    Path("documents.csv").write_text("body,stars\ngood,3\nbad,1,2\n")
    said = "documents.csv, row 3: more fields than column names, 3 and 2; a text with a comma, quote or line break needs double quotes"
    shutil.rmtree("config")
    assert refused("--base", "base", "--tuned", "tuned", "--corpus", "documents.csv") == said


# ---- the hub -----------------------------------------------------------------------------------
CARD = """---
dataset_info:
  features: [{name: review, dtype: string}, {name: stars, dtype: int64}]
  splits: [{name: train, num_examples: 9000}, {name: test, num_examples: 700}]
---
"""


def test_what_cannot_be_reached_is_written_and_said():
    overlay, text = written("--base", "base", "--tuned", "org/tuned@v1", "--corpus", "org/texts")
    assert overlay["pairs"][0] == {"model": "base", "name": "tuned", "corpus": "texts", "rlhf": "org/tuned@v1"}
    assert overlay["corpora"]["texts"] == {"hub": {"name": "org/texts"}, "max_documents": {"train": 2000, "test": 2000}}
    assert "# org/tuned@v1 could not be looked at (model org/tuned at v1 is not in the local hub cache" in text
    assert "# org/texts could not be looked at (" in text and "the column of its texts is taken to be text." in text
    overlay, text = written("--base", "org/base", "--tuned", "tuned")
    assert overlay["models"] == {"base": {"hub": "org/base", "sae": {"widths": [16, 32], "l0": 2}}}
    assert "# org/base could not be looked at (" in text and "its shape is taken to be that of tuned." in text


def test_a_data_set_s_card_is_read():
    fake_hub.lay_out(Path.cwd() / "hub", "dataset", "org/texts", fake_hub.FIRST, {"README.md": CARD.encode()})
    overlay, text = written("--base", "base", "--tuned", "tuned", "--corpus", "org/texts")
    assert overlay["corpora"]["texts"] == {"hub": {"name": "org/texts"}, "text": "review", "max_documents": {"train": 2000, "test": 700}}
    assert "# of 700; more make" in text
    for kind in ("large_string", "string_view"):
        fake_hub.lay_out(Path.cwd() / "hub", "dataset", f"org/{kind}", fake_hub.FIRST, {"README.md": CARD.replace("string", kind).encode()})
        assert written("--base", "base", "--tuned", "tuned", "--corpus", f"org/{kind}")[0]["corpora"][kind]["text"] == "review"
    fake_hub.lay_out(Path.cwd() / "hub", "dataset", "org/texts", fake_hub.FIRST, {"README.md": CARD.replace("name: test", "name: dev").encode()})
    shutil.rmtree("config")
    assert refused("--base", "base", "--tuned", "tuned", "--corpus", "org/texts").startswith("data set org/texts has no split test, only train, dev;")


def test_what_the_hub_does_not_have_is_refused(monkeypatch, folder):
    with fake_hub.serve("org/base", {"main": fake_hub.FIRST}, {fake_hub.FIRST: fake_hub.contents(folder / "base")}) as (address, sent):
        fake_hub.connect(monkeypatch, folder / "hub", address)
        assert refused("--base", "base", "--tuned", "org/tuned").startswith("the hub shows no model org/tuned: check the name")
        assert refused("--base", "org/base@v3", "--tuned", "tuned").startswith("the hub has no model org/base at v3")
        assert written("--base", "org/base", "--tuned", "tuned")[0]["models"]["base"]["hub"] == "org/base"
        assert sorted(set(sent)) == ["config.json", "tokenizer.json"]  # and no weights


# ---- refusals ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tuned", "tuned"], "tuned: --base is needed: only an adapter names its base"),
        (["--base", "./none", "--tuned", "tuned"], "./none: there is no such folder"),
        (["--base", "adapter", "--tuned", "tuned"], "adapter: it is an adapter; --base takes the model that adapters are trained on"),
        (["--base", "hub", "--tuned", "tuned"], "hub: neither config.json nor adapter_config.json is in it"),
        (["--base", "org/base", "--tuned", "org/tuned"], "org/base: its config.json, which tells the width, cannot be read: model org/base is not in"),
        (["--base", "org/base", "--tuned", "adapter"], "org/base: its config.json, which tells the width, cannot be read: "),
        (["--base", "base", "--tuned", "tuned", "--reward", "utility"], "--reward is utility; it must be vader, a .csv of"),
        (["--base", "base", "--tuned", "tuned", "--reward", "rewards.py:none"], "rewards.py: there is no function none; there: length, text"),
        (["--base", "base", "--tuned", "tuned", "--corpus", "none.csv"], "none.csv: there is no such file"),
        (["--base", "base", "--tuned", "tuned", "--corpus", "documents.csv", "--text", "x"], "documents.csv: no column x; it has body, stars"),
        (["--base", "base", "--tuned", "tuned", "--corpus", "two.csv"], "two.csv: no column text; say with --text which of these holds the texts: a, b"),
        (["--base", "base", "--tuned", "tuned", "--corpus", "a.csv", "b.csv", "c.csv"], "--corpus has 3 names; it takes one file"),
        (["--base", "base", "--tuned", "tuned", "--corpus", "two.csv", "rewards.py"], "rewards.py: --corpus takes .parquet, .csv, .jsonl, .txt files"),
        (["--base", "base", "--tuned", "other"], "other is no tuned variant of base: it is LlamaForCausalLM with 4 layers of d_model 16, and the base "),
        (["--base", "base", "--tuned", "broken"], "broken: config.json cannot be used ("),
        (["--base", "base", "--tuned", "tuned", "--to", "mine"], "mine: a config is a .yaml file; give --to such a name"),
    ],
)  # fmt: skip
def test_refusals(arguments, said):
    Path("hub").mkdir(exist_ok=True)
    Path("two.csv").write_text("a,b,c\nx,y,-1.5\n")
    for name in ("other", "broken"):
        shutil.copytree("base", name)
    config_of("other", num_hidden_layers=4)
    Path("broken/config.json").write_text("[1]")
    assert refused(*arguments).startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"peft_type": "LORA"}', "adapter: its adapter_config.json names no base; give --base"),
        (
            '{"base_model_name_or_path": "/home/her/base"}',
            "adapter: of the base that its adapter_config.json names: /home/her/base: there is no such folder",
        ),
        ("[1]", "adapter: adapter_config.json is no JSON map ("),
        ("{", "adapter: adapter_config.json is no JSON map ("),
    ],
)
def test_adapters_that_tell_no_base(content, said):
    Path("adapter/adapter_config.json").write_text(content)
    assert refused("--tuned", "adapter").startswith(said)


def test_a_file_that_is_there_stays():
    written("--base", "base", "--tuned", "tuned")
    before = Path("config/mine.yaml").read_text()
    with pytest.raises(UserError, match=r"^config/mine.yaml is there already; give another name with --to, or --force"):
        main(["init", "--base", "base", "--tuned", "adapter"])
    with pytest.raises(UserError, match="no such folder"):  # nor is it lost to a refusal
        main(["init", "--base", "./none", "--tuned", "adapter", "--force"])
    assert Path("config/mine.yaml").read_text() == before and Path("base/model.safetensors").read_text() == NEVER


def test_time_is_that_of_an_earlier_run():
    head = "s\th:m:s\tmax_rss\tmean_load\n"
    for file, seconds in (("saes/x.tsv", 90), ("saes/y.tsv", 60), ("table3.tsv", 30)):
        Path("results/mine/benchmarks", file).parent.mkdir(parents=True, exist_ok=True)
        Path("results/mine/benchmarks", file).write_text(f"{head}{seconds}\t0\t1\t100\n")
    text = written("--base", "base", "--tuned", "tuned")[1]
    assert "# Time: an earlier run took 3.0 min, jobs added up (saes 2.5, table3 0.5).\n" in text


def test_a_name_cannot_add_keys():
    """A line's end in it is a space in the file, and no folder has that name."""
    shutil.copytree("base", "x\nresults: there")
    assert "which is not there" in refused("--base", "x\nresults: there", "--tuned", "tuned")

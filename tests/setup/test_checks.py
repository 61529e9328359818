"""What the Snakefile refuses by the files that a config names: lengths beyond a checkpoint's context, whenever they were set."""

import json
from pathlib import Path

import pytest
import tiny

from rewardscope.errors import UserError
from rewardscope.setup.checks import read

FITS = "activations: {tokens: 64}\ncompletions: {prefix: 8, new: 8}\nfindings: {prefix: 8, new: 8}\ncauses: {prefix: 8, new: 8}\n"
MODEL = "models: {{mine: {{{}, sae: {{widths: [16, 32], l1: 0.001}}}}}}\npairs: [{{model: mine, reward: utility, corpus: reviews}}]\n"


def asked(model: str, more: str = "") -> str | None:
    """What is said of a run on a checkpoint that reads 64 tokens."""
    Path("own.yaml").write_text(MODEL.format(model) + FITS + more)
    try:
        read(["own.yaml"])
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", ["llama", "gpt2"])  # two names of the context
def test_lengths_must_fit_a_folder_s_context(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    folder = tiny.checkpoint(kind)
    assert asked(f"path: {folder}") is None
    line = f"{folder}: {{}}, but the model reads at most 64 tokens; lower it"
    assert asked(f"path: {folder}", "rlhf: {response_tokens: 56}") == line.format("rlhf.prompt_tokens[1] + rlhf.response_tokens is 65")
    assert asked(f"path: {folder}", "picks: {top: 1}\nrlhf: {response_tokens: 55}") is None


def test_lengths_that_changed_after_a_model_of_the_hub_was_fetched(tmp_path, monkeypatch):
    """Where it is of another id by now, or was never fetched, `base_model` will see; that of a model of images too is of its part for texts."""
    monkeypatch.chdir(tmp_path)
    long = "rlhf: {prompt_tokens: [2, 60]}"
    assert asked("hub: org/one", long) is None
    made = Path("results/models/mine")
    (made / "model").mkdir(parents=True)
    (made / "source.json").write_text('{"hub": "org/one"}')
    (made / "model/config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 64}, "max_position_embeddings": 8}))
    assert asked("hub: org/one", long).startswith("org/one: rlhf.prompt_tokens[1] + rlhf.response_tokens is ")
    assert asked("hub: org/one") is None
    assert asked("hub: org/other", long) is None
    (made / "model/config.json").write_text('["cut')
    assert asked("hub: org/one", long) is None

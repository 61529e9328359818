"""Dictionaries that are given: what their `cfg.json` must say before anything runs, each mistake a line."""

import json
from pathlib import Path

import pytest
from config_lines import GIVEN
from test_config import with_overlay

from rewardscope.config import given, plan
from rewardscope.config.config import ConfigError, check_files, load
from rewardscope.export import saelens

RIGHT = {"d_in": 128, "d_sae": 128, "metadata": {"hook_name": "blocks.1.hook_mlp_out"}}
OTHER = "models: {tiny: {pretrain: null, hub: org/tiny}}\n"  # a model whose d_model the config does not say


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, width in zip("abcd", (128, 256) * 2, strict=True):
        put(name, RIGHT | {"d_sae": width})
        (tmp_path / name / "sae_weights.safetensors").touch()


def put(name: str, cfg: object) -> None:
    Path(name).mkdir(exist_ok=True)
    Path(name, "cfg.json").write_text(json.dumps(cfg))


def said(overlay: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_files(load(with_overlay(overlay)))
    return str(caught.value).removeprefix("config: sae_recipes.theirs.given.layer1.")


def test_right_ones_pass(folders):
    config = load(with_overlay(GIVEN))
    check_files(config)
    assert config.l1("tiny", "theirs") == 0.0 and config.sae_recipes["theirs"].settings() == {"given": True}
    put("b", {})  # which says nothing; the weights do
    check_files(config)


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("b", {"d_sae": 512}, "base[1] is b, of 512 features, and models.tiny.sae.widths[1] is 256; they must be equal"),
        ("c", {"d_in": 64}, "rlhf[0] is c, of activations of width 64, but models.tiny.pretrain.d_model is 128; they must be equal"),
        ("a", {"hook_name": "blocks.2.hook_mlp_out"}, "base[0] is a, which reads blocks.2.hook_mlp_out; layer 1 with activations.at mlp is "
         "blocks.1.hook_mlp_out"),  # before SAELens 6 it stood there
        ("a", {"metadata": {"hook_name": "blocks.1.hook_resid_post"}}, "base[0] is a, which reads blocks.1.hook_resid_post; layer 1 with "
         "activations.at mlp is blocks.1.hook_mlp_out"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_line(folders, name, change, line):
    put(name, json.loads(Path(name, "cfg.json").read_text()) | change)
    assert said(GIVEN) == line


def test_sides_that_differ_in_their_model_s_width(folders):
    put("d", RIGHT | {"d_sae": 256, "d_in": 64})
    assert (
        said(GIVEN + OTHER) == "rlhf[1] is d, of activations of width 64, but sae_recipes.theirs.given.layer1.base[0] is of 128; they must be equal"
    )


def test_files_that_are_not_there_or_broken(folders):
    Path("c/cfg.json").write_text("[1]")
    assert said(GIVEN) == "rlhf[0] is c, whose cfg.json cannot be read (no map of settings); copy the folder again"
    Path("c/cfg.json").write_text('{"d_in": 128, "d_in": 64}')
    twice = "the key d_in is given twice in one object; remove one of them"
    assert said(GIVEN) == f"rlhf[0] is c, whose cfg.json cannot be read ({twice}); copy the folder again"
    put("c", RIGHT)
    Path("d/sae_weights.safetensors").unlink()
    assert said(GIVEN) == f"rlhf[1] is d/sae_weights.safetensors, which is not there; paths are relative to {Path.cwd()}"


def test_the_residual_stream_before_a_block_is_that_behind_the_last(folders):
    for name, width in zip("abcd", (128, 256) * 2, strict=True):
        put(name, RIGHT | {"d_sae": width, "metadata": {"hook_name": "blocks.2.hook_resid_pre"}})
    check_files(load(with_overlay(GIVEN + "activations: {at: residual}\n")))
    assert said(GIVEN).startswith("base[0] is a, which reads blocks.2.hook_resid_pre; layer 1 with activations.at mlp")


def test_the_plan_knows_the_width_of_the_activations(folders):
    for name, width in zip("abcd", (128, 256) * 2, strict=True):
        put(name, RIGHT | {"d_sae": width, "d_in": 16})
    assert plan.width(load(with_overlay(GIVEN + OTHER)), "tiny") == 16
    assert plan.width(load(with_overlay(OTHER)), "tiny") == 128  # the small dictionary's size


def test_names_and_files_are_those_of_the_form():
    assert given.FILES == (saelens.CFG, saelens.SAELENS)
    assert {at: hooks[0] for at, hooks in given.HOOKS.items()} == saelens.HOOKS

"""The configuration: every check, seen as the line that a user reads."""

import copy
import random
import subprocess
import sys
from pathlib import Path

import pydantic
import pytest
import yaml
from config_lines import LIKES, RANGES, RELATIONS, SMALL, TEXTS, TYPES, of_a_kind

from rewardscope.config.config import Config, ConfigError, load
from rewardscope.config.types import Section
from rewardscope.errors import UserError

DEFAULT = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8"))


def merge(base, overlay):
    """What Snakemake does with an overlay: maps are merged, anything else is replaced."""
    if not (isinstance(base, dict) and isinstance(overlay, dict)):
        return copy.deepcopy(overlay)
    return {**copy.deepcopy(base), **{key: merge(base.get(key), value) for key, value in overlay.items()}}


def with_overlay(text: str) -> dict:
    return merge(DEFAULT, yaml.safe_load(text))


def complaint(raw) -> str:
    with pytest.raises(ConfigError) as caught:
        load(raw)
    line = str(caught.value)
    assert line.startswith("config: ") and line.isprintable(), line
    return line.removeprefix("config: ")


@pytest.mark.parametrize("overlay, line", of_a_kind(TYPES + RANGES) + RELATIONS + LIKES)
def test_line(overlay, line):
    assert complaint(with_overlay(overlay)) == line


@pytest.mark.parametrize("overlay, start", of_a_kind(TEXTS))
def test_line_about_text(overlay, start):
    assert complaint(with_overlay(overlay)).startswith(start)


@pytest.mark.parametrize("section", ["corpora", "models", "rewards", "sae_recipes"])
def test_unusable_name(section):
    """Every other one: tests/mutations.py."""
    raw = merge(DEFAULT, {section: {"a b": next(iter(DEFAULT[section].values()))}})
    allowed = "up to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, no two dots in a row"
    assert complaint(raw) == f"{section}.'a b' is not a usable name; a name is {allowed}"


@pytest.mark.parametrize("name", ["a", "utility-kl0.1", "Pythia_70m", "7b", "xy" + "x" * 19, "0123456789abcdef" * 4, "a" * 19])
def test_usable_name(name):
    from snakemake.io import PeriodicityDetector

    assert not PeriodicityDetector().is_periodic(name)
    assert name in load(merge(DEFAULT, {"rewards": {name: {"words": "vader"}}})).rewards


@pytest.mark.parametrize("name", ["a" * 20, "model-" + "ab" * 20, "x" * 64])
@pytest.mark.parametrize("section", ["corpora", "models", "rewards", "sae_recipes"])
def test_a_name_that_snakemake_takes_for_a_loop(section, name):
    from snakemake.io import PeriodicityDetector

    assert PeriodicityDetector().is_periodic(name)
    raw = merge(DEFAULT, {section: {name: next(iter(DEFAULT[section].values()))}})
    assert complaint(raw) == f"{section}.{name} is not a usable name; it ends with the same letters 20 times"


@pytest.mark.parametrize("raw", [None, [], "x", 3])
def test_not_a_map(raw):
    assert "must be a map" in complaint(raw)


@pytest.mark.parametrize("key", ["results", "pairs", "models", "rlhf"])
def test_each_section_is_needed(key):
    raw = copy.deepcopy(DEFAULT)
    del raw[key]
    assert complaint(raw) == f"{key} is missing; config.yaml says what it is"


def test_a_renamed_key_is_one_mistake():
    raw = copy.deepcopy(DEFAULT)
    raw["rlhf"]["learning_rat"] = raw["rlhf"].pop("learning_rate")
    assert complaint(raw) == "rlhf.learning_rat is not a key; did you mean rlhf.learning_rate?"


def test_more_mistakes_are_counted():
    overlay = "runs: 0\nrlhf: {kl: -1, updates: x}\nfeatures: {topk: 3}"
    assert complaint(with_overlay(overlay)) == "features.topk is not a key; did you mean features.top_k? (and 3 more)"


def test_an_inherited_mistake_counts_once():
    overlay = "rlhf: {kl: -1}\nrewards: {a: {like: utility}}\n"
    assert complaint(with_overlay(overlay)) == "rlhf.kl is -1; it must be at least 0"
    overlay = "rlhf: {batch: 60, minibatch: 16}\nrewards: {a: {like: utility}}"
    assert complaint(with_overlay(overlay)) == "rlhf.batch is 60; it must be a multiple of minibatch (16)"
    assert complaint(with_overlay("sae_recipes: {paper: {epochs: 0}}")) == "sae_recipes.paper.epochs is 0; it must be at least 1"


def test_default():
    raw = copy.deepcopy(DEFAULT)
    config = load(raw)
    assert raw == DEFAULT  # left as it was
    assert config.results == DEFAULT["results"] and config.rlhf.kl == DEFAULT["rlhf"]["kl"]
    assert config.pairs[0].model == DEFAULT["pairs"][0]["model"]
    dumped = config.model_dump()
    for key in ("threads", "features", "explain", "completions", "activations", "picks"):
        assert dumped[key] == DEFAULT[key]


def test_a_control_is_another_recipe():
    assert complaint(with_overlay("controls: [paper]")) == "controls names paper, which is recipe itself; a control is another recipe"
    twice = complaint(with_overlay("controls: [untied, untied]"))
    assert twice == "controls is ['untied', 'untied']; its names must be distinct"
    assert complaint(with_overlay("recipe: untied\ncontrols: [untied]")).startswith("controls names untied")


def test_libraries_are_larger_than_what_runs():
    """Entries that no pair uses are typed, but not measured against the rest; of other models the size is unknown."""
    config = load(
        with_overlay("""
        models:
          shallow: {like: tiny, pretrain: {layers: 1, context: 16, tokens: 16}}
          pythia: {hub: EleutherAI/pythia-70m, revision: main, sae: {widths: [512, 1024], l1: 0.001}}
          mine: {path: /data/mine, sae: {widths: [768, 1536], l1: 0.0015}}
        corpora:
          files: {path: {train: a.parquet, test: b.jsonl}, text: review, label: stars, max_documents: {test: 9}, strip_breaks: false}
          imdb: {hub: {name: stanfordnlp/imdb, revision: abc}}
        rewards:
          table: {words: words/mine.csv}
          mine: {function: 'rewards/mine.py:score'}
          classifier: {classifier: {hub: org/name, revision: v1, positive: LABEL_1}}
        pairs: [{model: pythia, reward: mine, corpus: imdb}, {model: mine, reward: table, corpus: files, rlhf: /data/tuned}]
        picks: {top: 5, low: 0}
        activations: {tokens: 2000}
        """)
    )
    assert config.models["pythia"].sae.widths == (512, 1024) and config.models["shallow"].pretrain.layers == 1
    assert config.corpora["imdb"].text == "text" and config.corpora["imdb"].label == "label" and config.corpora["imdb"].held == 0.3
    assert config.corpora["files"].max_documents.test == 9 and config.corpora["files"].max_documents.train is None
    assert config.pairs[1].rlhf == "/data/tuned"


def test_a_tuned_checkpoint_needs_no_room_for_ppo():
    overlay = SMALL + "activations: {tokens: 64}\ncompletions: {prefix: 8, new: 8}\nrlhf: {response_tokens: 64}\n"
    load(with_overlay(overlay + "pairs: [{model: tiny, reward: utility, corpus: reviews, rlhf: tuned}]"))


def test_like_merges_maps_along_a_chain():
    config = load(
        with_overlay("""
        models: {small: {like: tiny, pretrain: {steps: 7}}, smaller: {like: small, pretrain: {batch: 3}, sae: {l1: 0.5}}}
        corpora: {files: {like: reviews, generate: , path: {train: a.csv, test: b.csv}}}
        """)
    )
    tiny, smaller = config.models["tiny"], config.models["smaller"]
    assert (smaller.pretrain.steps, smaller.pretrain.batch, smaller.sae.l1) == (7, 3, 0.5)
    assert (smaller.pretrain.d_model, smaller.sae.widths) == (tiny.pretrain.d_model, tiny.sae.widths)
    assert "like" not in smaller.model_dump()  # params hold what is meant, not how it is spelt
    assert config.corpora["files"].generate is None and config.corpora["files"].held == config.corpora["reviews"].held


def test_rlhf_of_a_reward():
    config = load(with_overlay("rewards: {utility-kl0.1: {like: utility, kl: 0.1}, utility-long: {like: utility-kl0.1, prompt_tokens: [3, 4]}}"))
    assert config.rlhf_of("utility") == config.rlhf
    assert config.rlhf_of("utility-kl0.1") == config.rlhf.model_copy(update={"kl": 0.1})
    assert config.rlhf_of("utility-long") == config.rlhf.model_copy(update={"kl": 0.1, "prompt_tokens": (3, 4)})
    assert config.rewards["utility-long"].words == "vader"


def test_l1_of_the_recipe_then_of_the_model():
    config = load(with_overlay("sae_recipes: {l1-0.002: {like: paper, l1: 0.002}}"))
    assert config.l1("tiny", "l1-0.002") == 0.002
    assert config.l1("tiny", "paper") == config.models["tiny"].sae.l1
    found = load(with_overlay("models: {tiny: {sae: {l1: null, l0: 20}}}\nsae_recipes: {l1-0.002: {like: paper, l1: 0.002}}"))
    assert found.l1("tiny", "paper") is None and found.l1("tiny", "l1-0.002") == 0.002  # None: it is found for each layer


def test_pick_names():
    assert load(with_overlay("picks: {top: 2, low: 1}")).pick_names() == ["top1", "top2", "low1"]
    assert load(with_overlay("layers: [2, 0]\npicks: {top: 99}")).pick_names() == ["layer2", "layer0"]


def test_results_is_spelt_in_one_way():
    assert load(with_overlay("results: ./results//paper/")).results == "results/paper"


def test_immutable():
    config = load(DEFAULT)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        config.runs = 2
    with pytest.raises(TypeError):
        config.models["tiny"] = None
    assert isinstance(config.pairs, tuple) and isinstance(config.rlhf.prompt_tokens, tuple)


def test_every_key_is_described():
    todo = [Config]
    while todo:
        section = todo.pop()
        todo += [kind for kind in Section.__subclasses__() if kind is not Config] if section is Config else section.__subclasses__()
        for name, field in section.model_fields.items():
            assert field.description and "\n" not in field.description, f"{section.__name__}.{name}"


def test_error_is_the_package_s_and_a_value_error():
    assert issubclass(ConfigError, UserError) and issubclass(ConfigError, ValueError)


def test_nothing_heavy_is_imported():
    code = (
        "import sys, rewardscope.config; heavy = {'torch', 'pandas', 'numpy', 'transformers', 'trl', 'datasets', 'pyarrow', 'snakemake'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


STRANGE = [
    None, True, False, 0, 1, -1, -(10**9), 10**9, 10**400, 10**5000, 0.5, -0.5, 1e308, float("nan"), float("inf"), "", "x", "1", "a\nb",
    "\x00", "\ud800", "\u2028", "{x}", "%s", "x" * 5000, [], [1], [[]], {}, {"a": 1}, {1: 2}, {None: None}, {"like": "paper"}, ["a", None], b"x",
]  # fmt: skip


def places(node):
    """(container, key) of everything below `node`."""
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        if isinstance(value, dict | list):
            yield from places(value)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_written_gives_a_config_or_one_line(seed):
    rng = random.Random(seed)
    refused = 0
    for _ in range(60):
        raw = copy.deepcopy(DEFAULT)
        for _ in range(rng.choice([1, 1, 2, 4])):
            container, key = rng.choice(list(places(raw)) or [({0: 0}, 0)])
            kind = rng.choice(["delete", "replace", "rename", "number", "add", "copy"])
            if kind == "delete":
                del container[key]
            elif kind == "replace":
                container[key] = copy.deepcopy(rng.choice(STRANGE))
            elif kind == "number" and type(container[key]) in (int, float) and abs(container[key]) < 10**300:  # times 1e30 would overflow
                container[key] *= rng.choice([-1, 0, 10**30, 1e30, 0.5])
            elif kind == "rename" and isinstance(container, dict):
                container[rng.choice([f"{key}x", str(key)[1:], 3, None, 10**400, "a\nb", ("a", 1)])] = container.pop(key)
            elif kind == "add" and isinstance(container, list):
                container.append(copy.deepcopy(rng.choice([*STRANGE, container[key]])))
            elif kind == "copy":
                container[key] = copy.deepcopy(rng.choice(list(DEFAULT.values())))
        try:
            assert isinstance(load(raw), Config)
        except ConfigError as error:
            refused += 1
            assert str(error).startswith("config: ") and str(error).isprintable(), repr(str(error))
    assert refused > 30


def test_the_paper_s_models_are_read_where_a_step_of_ppo_can_be_seen():
    """A step of 1e-6 is below bfloat16's resolution of a weight; Adam's epsilon is that of the paper's time."""
    import torch

    raw = DEFAULT | yaml.safe_load((Path(__file__).parents[2] / "config/paper.yaml").read_text(encoding="utf-8"))
    weight = torch.tensor(0.02)
    step = raw["rlhf"]["learning_rate"]
    assert (weight + step).to(getattr(torch, raw["activations"]["precision"])) != weight.to(torch.float32)
    assert (weight + step).to(torch.bfloat16) == weight.to(torch.bfloat16)
    assert raw["rlhf"]["adam_epsilon"] == 1e-8

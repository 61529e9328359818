"""The configuration: what each key means, its type and range, and one clear line for a mistake.

`load` turns Snakemake's merged config into an immutable `Config`; nothing heavy is imported, as the Snakefile runs it.
Defaults stand in config.yaml; here only keys that config.yaml leaves out have one.
"""
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from rewardscope.config_checks import misfits, pair_misfits, unknown_names
from rewardscope.config_wording import LIBRARIES, show, type_errors, unknown, where
from rewardscope.errors import UserError

T = TypeVar("T")
NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a folder and a Snakemake wildcard
SAFE = re.compile(r"""[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{}'"<>$`]+""")  # free of Snakemake's and the shell's syntax
HUB = r"\w[\w.-]*(/\w[\w.-]*)?"
class ConfigError(UserError, ValueError):
    """A mistake in the configuration; its message is one line: `config: `, the dotted key, what is wrong and right."""


def _text(pattern: str, wanted: str) -> Any:
    """The type of a text that matches `pattern`; `wanted` ends the sentence "it must be ..."."""

    def check(value: str) -> str:
        if not SAFE.fullmatch(value):
            raise ValueError("text without quotes, braces, <, >, $, ` and control characters")
        if not re.fullmatch(pattern, value):
            raise ValueError(wanted)
        return value

    return Annotated[str, AfterValidator(check)]


def _results(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts or value.startswith("~"):
        raise ValueError("a folder below this one: a relative path without ..")
    return str(path)


Whole = Annotated[int, Field(ge=1, le=2**31 - 1)]
NotNegative = Annotated[int, Field(ge=0, le=2**31 - 1)]
AtLeast2 = Annotated[Whole, Field(ge=2)]
Vocabulary = Annotated[Whole, Field(ge=258)]  # 256 bytes, end, padding
Count = Annotated[int, Field(ge=1, le=1000)]  # multiplies the jobs of a run: a slip must not hang the planning
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Plain = _text(r"\S(.*\S)?", "text without spaces around it")
Data = _text(r".+\.(parquet|csv|jsonl|txt)", "a .parquet, .csv, .jsonl or .txt file")
Hub = _text(HUB, "a name on the hub, such as org/name")
Address = _text(r"https?://[^@\s?#]+", "http:// or https:// and a server; a key belongs into OPENAI_API_KEY")
Lexicon = _text(r"vader|.+\.csv", "vader or a .csv file with the columns word,utility")
Function = _text(r".+\.py:[^\W\d]\w*", "a Python function as file.py:name")
Precision = Literal["float32", "bfloat16", "auto"]  # auto: bfloat16 where the device multiplies it in hardware
Target = Literal[  # the keys of TARGETS in workflow/rules
    "table1", "table2", "table3", "table4", "table5", "table6", "table7", "figure3", "figure4", "section5.3", "section6.1", "section6.2",
    "quality", "comparison", "step4", "probe", "perplexity", "accuracy", "scores", "report",
]  # fmt: skip
Results = Annotated[Plain, AfterValidator(_results)]
Library = Annotated[dict[str, T], AfterValidator(MappingProxyType), PlainSerializer(dict)]


class Section(BaseModel):
    """A map of the config: strict types, no further keys, immutable."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, value: object) -> object:  # `extra` alone does not say which keys there are
        if isinstance(value, Mapping) and (unknown := [key for key in value if key not in cls.model_fields]):
            raise PydanticCustomError("unknown_keys", "unknown keys", {"unknown": unknown, "known": list(cls.model_fields)})
        return value


class Entry(Section):
    like: str | None = Field(None, exclude=True, description="the entry of the same library whose keys it takes over")


class Threads(Section):
    pretrain: Whole = Field(description="training of a base model")
    rlhf: Whole = Field(description="PPO")
    activations: Whole = Field(description="extraction of activations")
    saes: Whole = Field(description="SAE jobs, which run side by side")
    other: Whole = Field(description="every other job")


class Pair(Section):
    model: str = Field(description="the base model, a name under `models`")
    reward: str = Field(description="the reward, a name under `rewards`")
    corpus: str = Field(description="the corpus, a name under `corpora`")
    rlhf: Plain | None = Field(None, description="a tuned checkpoint instead of PPO: a folder, or a hub id or id@revision")


class Picks(Section):
    top: NotNegative = Field(description="the n most divergent layers")
    low: NotNegative = Field(description="the n layers nearest the input; beside top ones for Table 7 alone")


class Split(Section, Generic[T]):
    train: T = Field(description="of the train documents")
    test: T = Field(description="of the test documents")


class HubCorpus(Section):
    name: Hub = Field(description="name of the data set on the hub")
    revision: Plain | None = Field(None, description="its branch, tag or commit")


class MaxDocuments(Section):
    train: Whole | None = Field(None, description="train documents at most")
    test: Whole | None = Field(None, description="test documents at most")


class Corpus(Entry):
    generate: Split[Whole] | None = Field(None, description="how many documents of the embedded grammar")
    path: Split[Data] | None = Field(None, description="local files: parquet, csv, jsonl or txt")
    hub: HubCorpus | None = Field(None, description="a data set on the hub")
    text: Plain = Field("text", description="column of the text")
    label: Plain = Field("label", description="column of the label; data without it have no labels")
    max_documents: MaxDocuments | None = Field(None, description="documents at most, of train and test")
    strip_breaks: bool = Field(True, description="strip `<br />`")
    held: Share = Field(0.3, description="share of test documents kept for scores and tables, by hash of the text")


class Pretrain(Section):
    corpus: str = Field(description="the corpus whose train documents it learns, a name under `corpora`")
    architecture: Literal["gpt_neox"] = Field(description="GPT-NeoX, the architecture of Pythia")
    layers: Whole = Field(description="decoder blocks")
    d_model: Whole = Field(description="width of the residual stream")
    heads: Whole = Field(description="attention heads of a block")
    vocabulary: Vocabulary = Field(description="tokens of the byte-level BPE tokenizer, special ones included")
    context: Whole = Field(description="longest sequence, tokens")
    tokens: Whole = Field(description="length of the packed training sequences")
    batch: Whole = Field(description="sequences per step")
    steps: Whole = Field(description="optimizer steps")
    learning_rate: Positive = Field(description="peak learning rate")


class Sae(Section):
    widths: tuple[Whole, Whole] = Field(strict=False, description="small and large dictionary")
    l1: Positive = Field(description="L1 coefficient")


class Model(Entry):
    pretrain: Pretrain | None = Field(None, description="train from scratch")
    hub: Hub | None = Field(None, description="name of a model on the hub")
    revision: Plain | None = Field(None, description="branch, tag or commit of `hub`")
    path: Plain | None = Field(None, description="a local Hugging Face folder")
    sae: Sae = Field(description="its autoencoders: dictionary sizes and L1 coefficient")


class Rlhf(Section):
    updates: Whole = Field(description="PPO updates")
    batch: Whole = Field(description="episodes an update (Table 1)")
    minibatch: Whole = Field(description="episodes an optimizer step (Table 1)")
    ppo_epochs: Whole = Field(description="passes over an update's episodes")
    learning_rate: Positive = Field(description="Table 1: 1e-6, for models of 70 M parameters and more")
    max_grad_norm: Positive = Field(description="gradients are clipped at this norm (Table 1)")
    kl: Annotated[float, Field(ge=0)] = Field(description="initial KL coefficient (Table 1: 0.5)")
    kl_target: Positive = Field(description="adaptive controller: target of the summed KL, nats per response")
    kl_horizon: Whole = Field(description="the controller's horizon, episodes")
    max_kl: Positive = Field(description="stop with an error above this KL: the run has diverged")
    temperature: Positive = Field(description="sampling temperature of the responses")
    prompt_tokens: tuple[Whole, Whole] = Field(strict=False, description="prompt length [low, high], drawn uniformly")
    prompt_characters: NotNegative = Field(description="prompts are cut from documents longer than this")
    response_tokens: Whole = Field(description="response length; TRL's is fixed (the authors draw 8 to 19)")
    reward_on: Literal["both", "completion"] = Field(description="the reward sees prefix and completion (both) or the completion")
    segment: Whole = Field(description="updates between checkpoints; a killed run repeats at most one segment")
    processes: Count = Field(description="more than one: through `accelerate launch`, a GPU each, an update's episodes shared out")
    precision: Literal["float32", "bfloat16"] = Field(description="bfloat16: mixed precision, the weights stay float32")
    fsdp: bool = Field(description="each process holds a part of every weight")


class ClassifierTraining(Section):
    corpus: str = Field(description="the corpus whose labelled train documents it learns, a name under `corpora`")
    layers: Whole = Field(description="encoder blocks of the DistilBERT")
    d_model: Whole = Field(description="width of the residual stream")
    heads: Whole = Field(description="attention heads of a block")
    vocabulary: Whole = Field(description="tokens of the WordPiece tokenizer, special ones included")
    tokens: Annotated[Whole, Field(ge=16)] = Field(description="longest text, tokens; a longer one is cut")
    batch: Whole = Field(description="documents per step")
    steps: Whole = Field(description="optimizer steps")
    learning_rate: Positive = Field(description="peak learning rate")


class Classifier(Section):
    train: ClassifierTraining | None = Field(None, description="train a small DistilBERT from scratch")
    hub: Hub | None = Field(None, description="name of a sequence classifier on the hub")
    revision: Plain | None = Field(None, description="branch, tag or commit of `hub`")
    path: Plain | None = Field(None, description="a local Hugging Face folder")
    positive: Plain | None = Field(None, description="its label whose logit is the reward, where none is called positive or pos")


class Reward(Entry, Rlhf):
    """Where a reward comes from, and the RLHF settings with it: its own keys over those of `rlhf:`."""

    words: Lexicon | None = Field(None, description="sum of word utilities (Equation 3): the VADER lexicon, or a CSV word,utility")
    function: Function | None = Field(None, description="a Python function from texts to rewards, file.py:name")
    classifier: Classifier | None = Field(None, description="the logit of the positive label of a sequence classifier (section 5.1)")


class Recipe(Entry):
    tied: bool = Field(description="decoder = transpose of the encoder")
    l1_on: Literal["activations", "weights"] = Field(description="activations (the authors' code) or weights (the paper's text)")
    l1: Positive | None = Field(None, description="L1 coefficient in place of the model's")
    epochs: Whole = Field(description="passes over the activations")
    batch_documents: Whole = Field(description="a batch holds the tokens of this many documents of mean length")
    learning_rate: Positive = Field(description="Adam's learning rate")
    frozen_decoder: bool = Field(description="control: random fixed directions")
    precision: Precision = Field(description="of the numbers that training multiplies; weights, losses and Adam stay float32")


class Activations(Section):
    at: Literal["mlp", "residual"] = Field(description="mlp: output of a block's MLP (the authors' code); residual: the residual stream")
    tokens: AtLeast2 = Field(description="tokens read per document; the first is excluded")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(description="dtype of the stored activations")
    precision: Precision = Field(description="of the model that gives them")
    batch_tokens: Whole = Field(description="token budget of a forward pass")
    shard_tokens: Whole = Field(description="tokens of a shard")
    shards: Annotated[int, Field(ge=1, le=16)] = Field(description="jobs that share an extraction out; nothing that is written depends on it")
    keep: bool = Field(description="false: shards are temporary, deleted once used")


class Features(Section):
    top_k: Whole = Field(description="features explained per layer, the best matched first (section 6.2)")
    min_fires: Whole = Field(description="a feature that fires on fewer held tokens is not ranked")
    null_draws: Whole = Field(description="draws of covariance-matched random dictionaries")


class Explain(Section):
    tokens: Whole = Field(description="tokens read per document (Algorithm 1)")
    reviews: Whole = Field(description="top activating documents shown per feature (Algorithm 1)")
    words: Whole = Field(description="words quoted by every `activates_on` of the server-less explainer")
    promoted: Whole = Field(description="tokens quoted by every `promotes`, raised and lowered each")


class Llm(Section):
    model: Plain = Field(description="the model's name at the server")
    base_url: Address = Field(description="address of a server that speaks OpenAI's chat-completions protocol")
    prompt: Plain | None = Field(None, description="file of the prompt, in place of workflow/prompts/explain.txt")
    promotes: bool = Field(description="ask a second time, what a feature promotes")
    promotes_prompt: Plain | None = Field(None, description="file of that prompt, in place of workflow/prompts/promotes.txt")
    simulate_prompt: Plain | None = Field(None, description="file of the prompt for scores by simulation, in place of workflow/prompts/simulate.txt")
    detect_prompt: Plain | None = Field(None, description="file of the prompt for scores by detection, in place of workflow/prompts/detect.txt")
    max_tokens: Whole = Field(description="longest explanation, tokens")
    concurrency: Count = Field(description="requests under way at a time, over all jobs that share `cache`")
    retries: NotNegative = Field(description="times that a failed request is sent again")
    timeout: Positive = Field(description="seconds to wait for an answer")
    budget: Annotated[float, Field(ge=0)] = Field(description="dollars that all answers in `cache` may cost together; a run stops before")
    input_price: Annotated[float, Field(ge=0)] = Field(description="dollars per million tokens read")
    output_price: Annotated[float, Field(ge=0)] = Field(description="dollars per million tokens written")


class Scores(Section):
    tokens: AtLeast2 = Field(description="length of a window")
    windows: Whole = Field(description="windows of each kind that a feature's explanation is scored on")
    multiple: Positive = Field(description="what is added to the model to see what a feature promotes: this many times its mean active value")


class Completions(Section):
    documents: Whole = Field(description="prompts: held test documents")
    prefix: Whole = Field(description="tokens of a prompt")
    new: Whole = Field(description="tokens generated")
    temperature: Positive = Field(description="sampling temperature")


class L1Sweep(Section):
    models: tuple[str, ...] = Field(strict=False, description="those models of `pairs` that it is for; none named: every one")
    activations: tuple[Positive, ...] = Field(strict=False, description="L1 coefficients tried with l1_on: activations")
    weights: tuple[Positive, ...] = Field(strict=False, description="L1 coefficients tried with l1_on: weights")


class TiedSweep(Section):
    models: tuple[str, ...] = Field(strict=False, description="those models of `pairs` that it is for; none named: every one")


class Sweeps(Section):
    side: Literal["base", "rlhf"] = Field(description="whose activations, of a model's first pair under `pairs`")
    seeds: Count = Field(description="SAE replicates of a setting")
    epochs: Whole = Field(description="passes over the activations (Appendix H: 1)")
    l1: L1Sweep = Field(description="Figure 4: the L1 coefficient")
    tied: TiedSweep = Field(description="Tables 6 and 7: tied and untied weights")


class Report(Section):
    features: Whole = Field(description="features in the browser at most; beyond it, those of further SAE seeds are left out")


class Config(Section):
    """A valid configuration, in the order of config.yaml."""

    results: Results = Field(description="folder of everything the workflow makes; each overlay sets its own")
    cache: Plain = Field(description="paid LLM responses, outside every results folder")
    seed: NotNegative = Field(description="the one number from which every random state is derived")
    device: Literal["auto", "cpu", "cuda"] = Field(description="auto (CUDA when there is one), cpu or cuda")
    threads: Threads = Field(description="torch threads of a job; part of its params, as they change float sums")
    pairs: tuple[Pair, ...] = Field(strict=False, description="base model x reward x corpus")
    runs: Count = Field(description="RLHF seeds per pair; with one, tables speak of that run only")
    picks: Picks = Field(description="layers: the n most divergent, and the n nearest the input")
    layers: tuple[NotNegative, ...] = Field(strict=False, description="or pin layer numbers (from 0); replaces `picks`, shares the base")
    recipe: str = Field(description="the SAE recipe that features, explanations and tables are made from")
    sae_seeds: Count = Field(description="SAE replicates per place; below 6 a sign-flip test cannot reach p < 0.05")
    targets: tuple[Target, ...] = Field(strict=False, description="what `snakemake` without a target makes")
    explainer: Literal["tokens", "openai"] = Field(description="tokens: the deterministic, server-less baseline; openai: a chat server")
    samples: Count = Field(description="repeated explanations per feature (the paper: 3); tokens is deterministic")
    corpora: Library[Corpus] = Field(description="library of corpora")
    models: Library[Model] = Field(description="library of base models")
    rewards: Library[Reward] = Field(description="library of rewards")
    sae_recipes: Library[Recipe] = Field(description="section 5.2 and Appendix H")
    rlhf: Rlhf = Field(description="PPO (TRL); any key may be set for one reward under `rewards`")
    activations: Activations = Field(description="what is read from the models")
    features: Features = Field(description="which features are kept")
    explain: Explain = Field(description="how features are put into words")
    llm: Llm = Field(description="the chat server that the explainer openai asks")
    scores: Scores = Field(description="scores of explanations on held documents")
    completions: Completions = Field(description="Table 4")
    sweeps: Sweeps = Field(description="Appendix H: short trainings with some of the recipe's keys changed")
    bootstrap: Whole = Field(description="resamples behind an interval over prompts")
    report: Report = Field(description="report.html")

    def rlhf_of(self, reward: str) -> Rlhf:
        """The RLHF settings of a reward: `rlhf:` with the keys that the reward overrides."""
        return Rlhf(**self.rewards[reward].model_dump(include=set(Rlhf.model_fields)))

    def l1(self, model: str, recipe: str) -> float:
        """The L1 coefficient: the recipe's where it has one, else the model's."""
        own = self.sae_recipes[recipe].l1
        return self.models[model].sae.l1 if own is None else own

    def pick_names(self) -> list[str]:
        """The values of the wildcard `{pick}`: layer1, ... where layers are pinned, else top1, ..., low1, ..."""
        if self.layers:
            return [f"layer{i}" for i in self.layers]
        return [f"{kind}{i}" for kind, n in self.picks for i in range(1, n + 1)]


def load(raw: Mapping) -> Config:
    """Check Snakemake's merged config and type it; raises ConfigError, one line, where something is wrong."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"config: the configuration is {show(raw)}; it must be a map")
    try:
        config = Config.model_validate(_resolve(raw))
    except ValidationError as error:
        problems = type_errors(error)
    else:
        problems = list(unknown_names(config)) or list(dict.fromkeys([*misfits(config), *pair_misfits(config)]))
    if problems:
        raise ConfigError(f"config: {problems[0]}" + (f" (and {len(problems) - 1} more)" if problems[1:] else ""))
    return config


def tuned_checkpoint(rlhf: str) -> dict[str, str | None]:
    """A pair's `rlhf:` as the keys of a model: `path`, or `hub` and `revision` where no folder has that name."""
    name, _, revision = rlhf.partition("@")
    if Path(rlhf).is_dir() or not re.fullmatch(HUB, name):
        return {"path": rlhf}
    return {"hub": name, "revision": revision or None}


def check_files(config: Config) -> None:
    """Raise ConfigError where a corpus or checkpoint that a pair needs is not there: now, not after hours of work."""
    for key, path in _files(config):
        if not Path(path).exists():
            raise ConfigError(f"config: {key} is {show(path)}, which is not there; paths are relative to {Path.cwd()}")


def _files(config: Config) -> Iterator[tuple[str, str]]:
    """The keys that name a local corpus or checkpoint, and what they name."""
    for i, pair in enumerate(config.pairs):
        model = config.models[pair.model]
        if model.path:
            yield f"models.{pair.model}.path", model.path
        if pair.rlhf and (path := tuned_checkpoint(pair.rlhf).get("path")):
            yield f"pairs[{i}].rlhf", path
        judge = config.rewards[pair.reward].classifier
        if judge and judge.path:
            yield f"rewards.{pair.reward}.classifier.path", judge.path
        learnt = [entry.corpus for entry in (model.pretrain, judge and judge.train) if entry]
        for name in dict.fromkeys([*learnt, pair.corpus]):
            if own := config.corpora[name].path:
                yield from ((f"corpora.{name}.path.{part}", path) for part, path in own)


def _resolve(raw: Mapping) -> dict:
    """The config with each entry merged over what it is `like`, and each reward over `rlhf:`."""
    full = dict(raw)
    for section in LIBRARIES:
        if isinstance(raw.get(section), Mapping):
            for name in raw[section]:
                if not isinstance(name, str) or not NAME.fullmatch(name):
                    allowed = "up to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, no two dots in a row"
                    raise ConfigError(f"config: {where((section, name))} is not a usable name; a name is {allowed}")
            full[section] = {name: _entry(section, raw[section], name) for name in raw[section]}
    if isinstance(rewards := full.get("rewards"), Mapping):  # a wrong `rlhf:` would be told again for each of them
        known = isinstance(raw.get("rlhf"), Mapping)
        full["rewards"] = {name: _merge(raw["rlhf"], entry) for name, entry in rewards.items()} if known else {}
    return full


def _entry(section: str, library: Mapping, name: str) -> object:
    """An entry of a library, merged over the entries that it is `like`."""
    chain = [name]
    while isinstance(entry := library[chain[-1]], Mapping) and "like" in entry:
        base, key = entry["like"], where((section, chain[-1], "like"))
        if not isinstance(base, str):
            raise ConfigError(f"config: {key} is {show(base)}; it must be text, a name under {section}")
        if base not in library:
            raise ConfigError(f"config: {unknown(key, base, section, library)}")
        if base in chain:
            raise ConfigError(f"config: {key} goes in a circle: {', '.join([*chain, base])}")
        chain.append(base)
    return reduce(_merge, [library[link] for link in reversed(chain)])


def _merge(base: object, own: object) -> object:
    """`own` over `base`: maps are merged at every depth, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(own, Mapping)):
        return own
    return {**base, **{key: _merge(base.get(key), value) for key, value in own.items()}}

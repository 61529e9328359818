"""The entries of the libraries (corpora, models, rewards, recipes) and RLHF: what each key means, its type and range, which values fit each other.

Defaults stand in config.yaml; here only keys that config.yaml leaves out have one.
What a check says goes on where the dotted name of its place ends: ` is 3; it must ..`, `.revision is v1; it needs hub`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Generic, Literal

from pydantic import Field

from rewardscope.config.given import Given, alone
from rewardscope.config.types import (
    AtLeast2,
    CorpusName,
    Data,
    Function,
    Hub,
    Lexicon,
    Library,
    NotNegative,
    NotNegativeNumber,
    Pairs,
    Plain,
    Positive,
    Precision,
    RewardName,
    Section,
    Share,
    T,
    Vocabulary,
    Whole,
)
from rewardscope.config.wording import show


class Entry(Section):
    like: str | None = Field(None, exclude=True, description="the entry of the same library whose keys it takes over")


class Split(Section, Generic[T]):
    train: T = Field(description="of the train documents")
    test: T = Field(description="of the test documents")


class HubData(Section):
    name: Hub = Field(description="name of the data set on the hub")
    revision: Plain | None = Field(None, description="its branch, tag or commit")


class MaxDocuments(Section):
    train: Whole | None = Field(None, description="train documents at most")
    test: Whole | None = Field(None, description="test documents at most")


class Corpus(Entry):
    generate: Split[Whole] | None = Field(None, description="how many documents of the embedded grammar")
    path: Split[Data] | None = Field(None, description="local files: parquet, csv, jsonl or txt")
    hub: HubData | None = Field(None, description="a data set on the hub")
    text: Plain = Field("text", description="column of the text")
    label: Plain = Field("label", description="column of the label; data without it have no labels")
    max_documents: MaxDocuments | None = Field(None, description="documents at most, of train and test")
    strip_breaks: bool = Field(True, description="strip `<br />`")
    held: Share = Field(0.3, description="share of test documents kept for scores and tables, by hash of the text")
    opinions: Literal["films"] | None = Field(None, description="keyword file of section 6.1; texts without one have no row there")

    def misfits(self) -> Iterator[str]:
        yield from self._one_of("generate", "path", "hub")


class Pretrain(Section):
    corpus: CorpusName = Field(description="the corpus whose train documents it learns, a name under `corpora`")
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
    seed: NotNegative | None = Field(None, description="in place of the config's: another model of the same corpus and settings")

    def misfits(self) -> Iterator[str]:
        yield from self._multiple("d_model", "heads")
        if self.tokens > self.context:
            yield f".tokens is {self.tokens}; it must be at most context ({self.context})"


class Sae(Section):
    widths: tuple[Whole, Whole] = Field(strict=False, description="small and large dictionary")
    l1: Positive | None = Field(None, description="L1 coefficient")
    l0: Positive | None = Field(None, description="in its place: features active a token, for which each layer gets a coefficient of its own")

    def misfits(self) -> Iterator[str]:
        if (self.l1 is None) == (self.l0 is None):
            yield f" has {'neither l1 nor' if self.l1 is None else 'both l1 and'} l0; it must have one of them (an overlay empties the other: `l1:`)"
        if self.widths[0] >= self.widths[1]:
            yield f".widths is {list(self.widths)}; it must be the small size, then the large one"


class Model(Entry):
    pretrain: Pretrain | None = Field(None, description="train from scratch")
    hub: Hub | None = Field(None, description="name of a model on the hub")
    revision: Plain | None = Field(None, description="branch, tag or commit of `hub`")
    path: Plain | None = Field(None, description="a local Hugging Face folder")
    sae: Sae = Field(description="its autoencoders: dictionary sizes and sparsity")

    def misfits(self) -> Iterator[str]:
        yield from self._one_of("pretrain", "hub", "path")


class HubPairs(HubData):
    split: Plain = Field("train", description="its split that holds the pairs")


class Preferences(Section):
    path: Pairs | None = Field(None, description="a file of pairs: parquet or jsonl")
    hub: HubPairs | None = Field(None, description="or a data set on the hub")
    prompt: Plain | None = Field(None, description="column of the prompt; empty: what chosen and rejected begin with alike")
    chosen: Plain = Field("chosen", description="column of the better text, or list of messages (role, content)")
    rejected: Plain = Field("rejected", description="column of the worse one")
    tokens: AtLeast2 = Field(512, description="longest prompt with its completion, tokens; a longer one is cut, a pair without room left out")

    def misfits(self) -> Iterator[str]:
        if bool(self.path) == bool(self.hub):
            yield f" has {'path and hub' if self.path else 'no source'}; it must have one of path, hub"

    @property
    def source(self) -> str:
        """Where the pairs are from, in words."""
        return self.path or f"{self.hub.name} (split {self.hub.split})"


class Dpo(Section):
    beta: Positive = Field(description="DPO's temperature: the larger, the nearer the policy stays to the base model")
    epochs: Whole = Field(description="passes over an update's pairs")
    preferences: Preferences | None = Field(None, description="pairs that are given; empty: two samples of the base model, ranked by the reward")


class Grouped(Section):
    beta: NotNegativeNumber = Field(description="weight of the KL to the base model; 0: none")
    epochs: Whole = Field(description="passes over an update's episodes")
    generations: AtLeast2 = Field(description="episodes of a prompt, which are compared with one another")


class Lora(Section):
    rank: Whole = Field(description="rank of the update of each linear layer")
    alpha: Positive = Field(description="its scale is alpha / rank")


METHODS = {"ppo": "PPO", "dpo": "DPO", "grpo": "GRPO", "rloo": "RLOO"}
OWN_KEYS = {"ppo": ("ppo_epochs", "kl", "kl_target", "kl_horizon", "stop_kl"), "dpo": ("dpo",), "grpo": ("grpo",), "rloo": ("rloo",)}
OWNER = {key: method for method, keys in OWN_KEYS.items() for key in keys}


def foreign(entry: Mapping, method: object, name: str) -> Iterator[str]:
    """What is wrong with the keys of a raw entry that belong to another method than its own; `name`: the entry's, as it is shown."""
    for key in entry:
        if method in list(METHODS) and OWNER.get(key, method) != method:
            way = f"remove it, or tune by {OWNER[key]}, or write {{like: {name}, method: {method}}} under another name"
            yield f".{key} is a key of method {OWNER[key]}, but its method is {method}; {way}"


class Rlhf(Section):
    method: Literal["ppo", "dpo", "grpo", "rloo"] = Field(description="how a model is tuned; each has keys of its own")
    updates: Whole = Field(description="updates")
    batch: Whole = Field(description="episodes an update (Table 1); of dpo two are a pair")
    minibatch: Whole = Field(description="episodes an optimizer step (Table 1)")
    ppo_epochs: Whole = Field(description="ppo: passes over an update's episodes")
    learning_rate: Positive = Field(description="Table 1: 1e-6, for models of 70 M parameters and more")
    adam_epsilon: Positive = Field(description="Adam's epsilon: TRL 1.12 has 1e-5, torch and TRL of 2023 1e-8")
    max_grad_norm: Positive = Field(description="gradients are clipped at this norm (Table 1)")
    kl: NotNegativeNumber = Field(description="ppo: initial KL coefficient (Table 1: 0.5)")
    kl_target: Positive = Field(description="ppo: adaptive controller: target of the summed KL, nats per response")
    kl_horizon: Whole = Field(description="ppo: the controller's horizon, episodes")
    stop_kl: Positive | None = Field(None, description="ppo: the first update with a KL above this, nats a response, is the last")
    dpo: Dpo = Field(description="keys of method dpo")
    grpo: Grouped = Field(description="keys of method grpo")
    rloo: Grouped = Field(description="keys of method rloo")
    lora: Lora | None = Field(None, description="dpo, grpo, rloo: train a low-rank adapter, merged into the tuned model; empty: all weights")
    max_kl: Positive = Field(description="stop with an error above this KL: the run has diverged")
    temperature: Positive = Field(description="sampling temperature of the responses")
    prompt_tokens: tuple[Whole, Whole] = Field(strict=False, description="prompt length [low, high], drawn uniformly")
    prompt_characters: NotNegative = Field(description="prompts are cut from documents longer than this")
    response_tokens: Whole = Field(description="response length; of ppo and dpo it is fixed (the authors draw 8 to 19)")
    reward_on: Literal["both", "completion"] = Field(description="the reward sees prefix and completion (both) or the completion")
    segment: Whole = Field(description="updates between checkpoints; a killed run repeats at most one segment")

    def misfits(self) -> Iterator[str]:
        yield from self._multiple("batch", "minibatch")
        if self.prompt_tokens[0] > self.prompt_tokens[1]:
            yield f".prompt_tokens is {list(self.prompt_tokens)}; it must be the least length, then the greatest"
        if self.method == "dpo" and self.minibatch % 2:
            yield f".minibatch is {self.minibatch}; it must be even, as method dpo takes two episodes for a pair"
        if self.method in ("grpo", "rloo") and self.batch % (n := dict(self)[self.method].generations):
            yield f".batch is {self.batch}; it must be a multiple of {self.method}.generations ({n})"
        if self.stop_kl and self.stop_kl >= self.max_kl:
            yield f".stop_kl is {self.stop_kl}; it must be less than max_kl ({self.max_kl})"
        if self.method == "ppo" and self.lora:
            yield ".lora needs method dpo, grpo or rloo; method is ppo, which trains all weights"

    def settings(self) -> dict:
        """The keys that the method reads, its own beside the common ones: what a tuning is told, and what Table 1 shows."""
        values = self.model_dump(mode="json", include=set(Rlhf.model_fields))
        of_method = {} if self.method == "ppo" else values[self.method]
        common = {key: value for key, value in values.items() if key not in OWNER or OWNER[key] == self.method == "ppo"}
        return {key: value for key, value in (common | of_method).items() if value is not None}

    @property
    def preferred(self) -> bool:
        """Whether the tuning reads preferences that are given."""
        return self.method == "dpo" and self.dpo.preferences is not None

    @property
    def episode(self) -> int:
        """Tokens of the longest prompt and response."""
        return self.prompt_tokens[1] + self.response_tokens


class ClassifierTraining(Section):
    corpus: CorpusName = Field(description="the corpus whose labelled train documents it learns, a name under `corpora`")
    layers: Whole = Field(description="encoder blocks of the DistilBERT")
    d_model: Whole = Field(description="width of the residual stream")
    heads: Whole = Field(description="attention heads of a block")
    vocabulary: Whole = Field(description="tokens of the WordPiece tokenizer, special ones included")
    tokens: Annotated[Whole, Field(ge=16)] = Field(description="longest text, tokens; a longer one is cut")
    batch: Whole = Field(description="documents per step")
    steps: Whole = Field(description="optimizer steps")
    learning_rate: Positive = Field(description="peak learning rate")

    def misfits(self) -> Iterator[str]:
        yield from self._multiple("d_model", "heads")


class Classifier(Section):
    train: ClassifierTraining | None = Field(None, description="train a small DistilBERT from scratch")
    hub: Hub | None = Field(None, description="name of a sequence classifier on the hub")
    revision: Plain | None = Field(None, description="branch, tag or commit of `hub`")
    path: Plain | None = Field(None, description="a local Hugging Face folder")
    positive: Plain | None = Field(None, description="its label whose logit is the reward, where none is called positive or pos")

    def misfits(self) -> Iterator[str]:
        yield from self._one_of("train", "hub", "path")
        if self.train and self.positive:
            yield f".positive is {show(self.positive)}; it needs hub or path, as one trained here names its own labels"


class Reward(Entry, Rlhf):
    """Where a reward comes from, and the RLHF settings with it: its own keys over those of `rlhf:`, or of the reward it is a twin of."""

    words: Lexicon | None = Field(None, description="sum of word utilities (Equation 3): the VADER lexicon, or a CSV word,utility")
    function: Function | None = Field(None, description="a Python function from texts to rewards, file.py:name")
    classifier: Classifier | None = Field(None, description="the logit of the positive label of a sequence classifier (section 5.1)")
    twin_of: RewardName | None = Field(None, description="a placebo of this reward, which every table measures it by")
    kind: Literal["words", "noise", "zero"] | None = Field(
        None, description="of a twin: its words' values on other words of like frequency, noise of its spread by a hash of the text, or 0"
    )

    def misfits(self) -> Iterator[str]:
        yield from self._one_of("words", "function", "classifier", "twin_of")
        if bool(self.twin_of) != bool(self.kind):
            yield f" has {'twin_of without kind' if self.twin_of else 'kind without twin_of'}; a twin has both"
        yield from super().misfits()


class Unrewarded(Reward):
    """What stands under `rewards` for a pair without one, under the pair's name: no source. Nobody writes it; `load` adds it."""

    def misfits(self) -> Iterator[str]:
        yield from ()


class Recipe(Entry):
    given: Library[Given] | None = Field(None, description="layer3, ... -> dictionaries that were trained elsewhere, in place of every other key")
    tied: bool | None = Field(None, description="decoder = transpose of the encoder")
    l1_on: Literal["activations", "weights"] | None = Field(None, description="activations (the authors' code) or weights (the paper's text)")
    l1: Positive | None = Field(None, description="L1 coefficient in place of the model's; not read with k")
    k: Positive | None = Field(None, description="BatchTopK: features kept a token, on average over a batch, in place of an L1 penalty")
    nested: tuple[Share, ...] = Field((), strict=False, description="Matryoshka: shares of the width whose first features must reconstruct alone")
    dead_steps: Whole = Field(100, description="with k: a feature that was kept in none of so many batches learns from the error (auxiliary loss)")
    epochs: Whole | None = Field(None, description="passes over the activations")
    batch_documents: Whole | None = Field(None, description="a batch holds the tokens of this many documents of mean length")
    learning_rate: Positive | None = Field(None, description="Adam's learning rate")
    frozen_decoder: bool | None = Field(None, description="control: random fixed directions")
    precision: Precision | None = Field(None, description="of the numbers that training multiplies; weights, losses and Adam stay float32")

    def misfits(self) -> Iterator[str]:
        yield from alone(self)
        if self.frozen_decoder and self.tied:
            yield ".frozen_decoder is true; it needs tied: false, as the encoder must still learn"
        if self.nested and not self.k:
            yield f".nested is {list(self.nested)}; it needs k"

    def settings(self) -> dict:
        """The keys that its training reads, but for an L1 coefficient, which the model may set."""
        trained = self.model_dump(mode="json", exclude={"given", "l1", *(("l1_on",) if self.k else ("k", "nested", "dead_steps"))})
        return {"given": True} if self.given else trained

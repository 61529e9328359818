"""The sections of the configuration: what each key means, its type and range, and which values fit each other.

Defaults stand in config.yaml; here only keys that config.yaml leaves out have one.
What a check says goes on where the dotted name of its place ends: ` is 3; it must ..`, `.revision is v1; it needs hub`.
"""

from collections.abc import Iterator
from typing import Annotated, Generic, Literal

from pydantic import Field

from rewardscope.config.types import (
    Address,
    AtLeast2,
    CorpusName,
    Count,
    Data,
    Function,
    Hub,
    Lexicon,
    ModelName,
    NotNegative,
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


class Threads(Section):
    pretrain: Whole = Field(description="training of a base model")
    rlhf: Whole = Field(description="PPO")
    activations: Whole = Field(description="extraction of activations")
    saes: Whole = Field(description="SAE jobs, which run side by side")
    other: Whole = Field(description="every other job")


class Pair(Section):
    model: ModelName = Field(description="the base model, a name under `models`")
    reward: RewardName = Field(description="the reward, a name under `rewards`")
    corpus: CorpusName = Field(description="the corpus, a name under `corpora`")
    rlhf: Plain | None = Field(None, description="a tuned checkpoint instead of PPO: a folder, or a hub id or id@revision")


class Picks(Section):
    top: NotNegative = Field(description="the n most divergent layers")
    low: NotNegative = Field(description="the n layers nearest the input; beside top ones for Table 7 alone")
    shared: bool = Field(description="layers chosen over all runs and rewards of a model together, which then share the base side; else pair by pair")


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

    def misfits(self) -> Iterator[str]:
        yield from self._multiple("d_model", "heads")
        if self.tokens > self.context:
            yield f".tokens is {self.tokens}; it must be at most context ({self.context})"


class Sae(Section):
    widths: tuple[Whole, Whole] = Field(strict=False, description="small and large dictionary")
    l1: Positive = Field(description="L1 coefficient")

    def misfits(self) -> Iterator[str]:
        if self.widths[0] >= self.widths[1]:
            yield f".widths is {list(self.widths)}; it must be the small size, then the large one"


class Model(Entry):
    pretrain: Pretrain | None = Field(None, description="train from scratch")
    hub: Hub | None = Field(None, description="name of a model on the hub")
    revision: Plain | None = Field(None, description="branch, tag or commit of `hub`")
    path: Plain | None = Field(None, description="a local Hugging Face folder")
    sae: Sae = Field(description="its autoencoders: dictionary sizes and L1 coefficient")

    def misfits(self) -> Iterator[str]:
        yield from self._one_of("pretrain", "hub", "path")


class Rlhf(Section):
    updates: Whole = Field(description="PPO updates")
    batch: Whole = Field(description="episodes an update (Table 1)")
    minibatch: Whole = Field(description="episodes an optimizer step (Table 1)")
    ppo_epochs: Whole = Field(description="passes over an update's episodes")
    learning_rate: Positive = Field(description="Table 1: 1e-6, for models of 70 M parameters and more")
    adam_epsilon: Positive = Field(description="Adam's epsilon: TRL 1.12 has 1e-5, torch and TRL of 2023 1e-8")
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

    def misfits(self) -> Iterator[str]:
        yield from self._multiple("batch", "minibatch")
        if self.prompt_tokens[0] > self.prompt_tokens[1]:
            yield f".prompt_tokens is {list(self.prompt_tokens)}; it must be the least length, then the greatest"

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


class Recipe(Entry):
    tied: bool = Field(description="decoder = transpose of the encoder")
    l1_on: Literal["activations", "weights"] = Field(description="activations (the authors' code) or weights (the paper's text)")
    l1: Positive | None = Field(None, description="L1 coefficient in place of the model's")
    epochs: Whole = Field(description="passes over the activations")
    batch_documents: Whole = Field(description="a batch holds the tokens of this many documents of mean length")
    learning_rate: Positive = Field(description="Adam's learning rate")
    frozen_decoder: bool = Field(description="control: random fixed directions")
    precision: Precision = Field(description="of the numbers that training multiplies; weights, losses and Adam stay float32")

    def misfits(self) -> Iterator[str]:
        if self.frozen_decoder and self.tied:
            yield ".frozen_decoder is true; it needs tied: false, as the encoder must still learn"


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


class Findings(Section):
    completions: AtLeast2 = Field(description="completions of either side that are read; with fewer than 100 little is found")
    prefix: Count = Field(description="tokens of their prompts: openings of fit test documents")
    new: AtLeast2 = Field(description="tokens generated")
    kept: Count = Field(description="findings of each kind of context")
    threshold: Positive = Field(description="score from which a finding is shown, unless a twin reaches more")


class Completions(Section):
    documents: Whole = Field(description="prompts: held test documents")
    prefix: Whole = Field(description="tokens of a prompt")
    new: Whole = Field(description="tokens generated")
    temperature: Positive = Field(description="sampling temperature")


class L1Sweep(Section):
    models: tuple[ModelName, ...] = Field(strict=False, description="those models of `pairs` that it is for; none named: every one")
    activations: tuple[Positive, ...] = Field(strict=False, description="L1 coefficients tried with l1_on: activations")
    weights: tuple[Positive, ...] = Field(strict=False, description="L1 coefficients tried with l1_on: weights")

    def misfits(self) -> Iterator[str]:
        if not (self.activations or self.weights):
            yield " has no coefficients; activations or weights must list some"


class TiedSweep(Section):
    models: tuple[ModelName, ...] = Field(strict=False, description="those models of `pairs` that it is for; none named: every one")


class Sweeps(Section):
    side: Literal["base", "rlhf"] = Field(description="whose activations, of a model's first pair under `pairs`")
    seeds: Count = Field(description="SAE replicates of a setting")
    epochs: Whole = Field(description="passes over the activations (Appendix H: 1)")
    l1: L1Sweep = Field(description="Figure 4: the L1 coefficient")
    tied: TiedSweep = Field(description="Tables 6 and 7: tied and untied weights")


class Report(Section):
    features: Whole = Field(description="features in the browser at most; beyond it, those of further SAE seeds are left out")

"""The sections of the configuration that say how each stage works: what each key means, its type and range.

Defaults stand in config.yaml; here only keys that config.yaml leaves out have one.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rewardscope.config.types import (
    HUB,
    Address,
    AtLeast2,
    CorpusName,
    Count,
    ModelName,
    NewName,
    NotNegative,
    Plain,
    Positive,
    Precision,
    RewardOrName,
    Section,
    Whole,
)


class Threads(Section):
    pretrain: Whole = Field(description="training of a base model")
    rlhf: Whole = Field(description="tuning of a base model")
    activations: Whole = Field(description="extraction of activations")
    saes: Whole = Field(description="SAE jobs, which run side by side")
    other: Whole = Field(description="every other job")


class Pair(Section):
    model: ModelName = Field(description="the base model, a name under `models`")
    name: NewName | None = Field(None, description="of a pair without a reward, whose place it takes in paths and tables")
    reward: RewardOrName = Field(None, validate_default=True, description="the reward, a name under `rewards`; empty: two checkpoints alone")
    corpus: CorpusName = Field(description="the corpus, a name under `corpora`")
    rlhf: Plain | None = Field(None, description="a tuned checkpoint or adapter instead of tuning here: a folder, or a hub id or id@revision")

    def misfits(self) -> Iterator[str]:
        if self.reward is None:
            yield " has no reward; it must have one, or a name and, as rlhf, a tuned checkpoint"
        elif self.name not in (None, self.reward):
            yield " has reward and name; it must have one of them"
        elif self.name and not self.rlhf:
            yield " has a name in place of a reward, and no rlhf; without a reward nothing is tuned here: rlhf must be a tuned checkpoint"


def tuned_checkpoint(rlhf: str) -> dict[str, str | None]:
    """A pair's `rlhf:` as the keys of a model: `path`, or `hub` and `revision` where no folder has that name."""
    name, _, revision = rlhf.partition("@")
    if Path(rlhf).is_dir() or not re.fullmatch(HUB, name):
        return {"path": rlhf}
    return {"hub": name, "revision": revision or None}


class Picks(Section):
    top: NotNegative = Field(description="the n most divergent layers")
    low: NotNegative = Field(description="the n layers nearest the input; beside top ones for Table 7 alone")
    shared: bool = Field(description="layers chosen over all runs and rewards of a model together, which then share the base side; else pair by pair")


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
    ranked: bool = Field(
        description="whether the report also shows what tuning changed where each ranked feature fires, which asks for both dictionaries"
    )
    threshold: Positive = Field(description="score from which a finding is shown, unless a twin reaches more")


class Causes(Section):
    prompts: AtLeast2 = Field(description="prompts of every arm: openings of held test documents; features are chosen on as many fit ones")
    prefix: Count = Field(description="tokens of a prompt")
    new: Whole = Field(description="tokens generated")
    sizes: tuple[Whole, ...] = Field(strict=False, description="numbers of features that are replaced together; all of a dictionary come last")
    random_sets: Count = Field(description="random sets of each size, of features that fire as often as the chosen ones")
    bootstrap: Whole = Field(description="resamples behind a share's interval over prompts")

    def misfits(self) -> Iterator[str]:
        if list(self.sizes) != sorted(set(self.sizes)):
            yield f".sizes is {list(self.sizes)}; its numbers must grow"


class Completions(Section):
    documents: Whole = Field(description="prompts: held test documents")
    further: NotNegative = Field(
        description="more prompts, for the phrases and the variety on the report's first screen; Table 4 keeps to `documents`"
    )
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

"""What a run will read and write, from the config alone: no hub and no model is asked."""

from pathlib import Path

from rewardscope.config import given
from rewardscope.config.config import Config
from rewardscope.config.entries import METHODS
from rewardscope.config.sections import Pair
from rewardscope.explain import client, prompts
from rewardscope.run.budget import gib

TOKENS_A_LINE = 4  # of a prompt: a line is a token of the model, a tab, a number; about what chat models' tokenizers make of it
ASKING = ("table3", "table5", "section5.3", "section6.1", "section6.2", "scores", "export")  # targets that are made from explanations
FILMS = "section6.1"  # only for corpora with `opinions`
WORDED = {"table3", "section5.3", "section6.2"}  # those only for rewards with a word table
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def documents_of(config: Config, corpus: str) -> int | None:
    """Test documents of a corpus, where the config or a local Parquet file tells."""
    entry = config.corpora[corpus]
    limit = entry.max_documents.test if entry.max_documents else None
    if entry.generate:
        return entry.generate.test
    if entry.path and entry.path.test.endswith(".parquet") and Path(entry.path.test).exists():
        from pyarrow.parquet import read_metadata

        rows = read_metadata(entry.path.test).num_rows
        return min(rows, limit) if limit else rows
    return limit


def width(config: Config, model: str) -> int:
    """d_model of a model trained here, or what given dictionaries say; of others the small one's size stands for it (equal in the paper)."""
    entry = config.models[model]
    return entry.pretrain.d_model if entry.pretrain else given.d_model(config) or entry.sae.widths[0]


def side(config: Config, pair: Pair) -> float | None:
    """At most how many bytes the activations of one side of a pair take, all picks together; None where the corpus does not tell its size."""
    documents = documents_of(config, pair.corpus)
    item = BYTES[config.activations.dtype]
    return None if documents is None else documents * config.activations.tokens * len(config.pick_names()) * width(config, pair.model) * item


def room(config: Config) -> tuple[float, float]:
    """At most how many bytes all activations take, and those of the largest side; a pair whose corpus does not tell its size is left out."""
    total, largest, shared = 0.0, 0.0, set()  # models whose base side is counted already
    for pair in config.pairs:
        runs = 1 if pair.rlhf else config.runs
        bases = (pair.model not in shared) if config.shares_base() else runs
        shared.add(pair.model)
        size = side(config, pair) or 0.0
        total, largest = total + size * (runs + bases), max(largest, size)
    return total, largest


def lines(config: Config) -> list[str]:
    """At most how many tokens are read, and how much disk the activations take, per pair and in total."""
    out, picks = [], len(config.pick_names())
    for pair in config.pairs:
        if (size := side(config, pair)) is None:
            out.append(f"{pair.model} x {pair.reward}: the size of corpus {pair.corpus} is not known before it is loaded; max_documents sets it")
            continue
        tokens = documents_of(config, pair.corpus) * config.activations.tokens
        reward = config.rlhf_of(pair.reward)
        episodes = 0 if pair.rlhf else reward.updates * reward.batch
        runs, most = 1 if pair.rlhf else config.runs, "at most " * bool(episodes and reward.stop_kl)
        out.append(
            f"{pair.model} x {pair.reward}, {runs} run{'s' * (runs > 1)}: {most}{episodes:,} {METHODS[reward.method]} episodes a run; "
            f"at most {tokens / 1e6:.1f} M tokens a side at {picks} layers, {gib(size)} of activations a side"
        )
    if config.explainer == "openai":
        out += requests(config)
    total, largest = room(config)
    kept = "kept" if config.activations.keep else f"deleted once used; one side takes up to {gib(largest)}"
    return [*out, f"activations in all: at most {gib(total)}, {kept}"]


def requests(config: Config) -> list[str]:
    """What the chat server would be asked, for each table alone and for all of them, before anything of it is in the cache.

    One job explains all seeds and samples of a pair and layer, on both sides: a table that shows one seed pays for all.
    """
    settings = dict(config.llm)
    asked = _asked(config, settings)

    def sums(targets: set[str]) -> str:
        pairs = [pair for pair in config.pairs if not targets <= WORDED or config.true_reward(pair.reward).words]
        pairs = [pair for pair in pairs if targets != {FILMS} or config.corpora[pair.corpus].opinions]
        runs = sum(1 if pair.rlhf else config.runs for pair in pairs)
        kinds = [asked[kind] for kind in asked if kind in prompts.EXPLAINING or "scores" in targets]
        count, read, written = (runs * sum(numbers) for numbers in zip(*kinds, strict=True))
        dollars = (read * settings["input_price"] + written * settings["output_price"]) / 1e6
        tokens = f"about {read / 1e6:.1f} M tokens read and at most {written / 1e6:.1f} M written"
        return f"{count:,} requests, {tokens}, about ${dollars:,.2f}"

    filmed = any(config.corpora[pair.corpus].opinions for pair in config.pairs)
    targets = [target for target in ASKING if target in config.targets and (filmed or target != FILMS)]
    lines = [f"{target} by {settings['model']}: {sums({target})}" for target in targets]
    had = client.spent(Path(config.cache))
    used = f", of which ${had:,.2f} is spent" if had else ""
    shared = f"the same answers are paid once; all of them: {sums(set(targets))}"
    return [*lines, f"{shared}; the budget is ${settings['budget']:,.2f}{used}"]


def _asked(config: Config, settings: dict) -> dict[str, tuple[int, float, int]]:
    """Of each kind of prompt: requests for one run of a pair, tokens read by all of them, tokens written at most."""
    layers = len([pick for pick in config.pick_names() if not pick.startswith("low")] or config.pick_names())
    features = 2 * layers * config.features.top_k * config.sae_seeds
    explained, scored = features * config.samples, features * (2 * config.samples + 1)  # own, other; the empty one for all samples
    most, shown = settings["max_tokens"], config.explain
    windows, tokens = config.scores.windows, config.scores.tokens
    kinds = {  # requests, tokens filled into each, tokens of its answer
        "explain": (explained, shown.reviews * shown.tokens * TOKENS_A_LINE, most),
        "promotes": (explained, 2 * shown.promoted * TOKENS_A_LINE, most),
        "simulate": (scored * 3 * windows, most + tokens * TOKENS_A_LINE, tokens * prompts.LINE_TOKENS),
        "detect": (scored, most + 2 * windows * (tokens + TOKENS_A_LINE), 2 * windows * prompts.LINE_TOKENS),
    }
    texts = {kind: prompts.load(file, kind) for kind, file in prompts.files(settings).items()}
    return {kind: (n, n * (len(texts[kind]) / 4 + filled), n * written) for kind, (n, filled, written) in kinds.items() if kind in texts}

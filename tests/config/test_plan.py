"""What a dry run says of the paper's grid, worked out by hand."""

import copy
from pathlib import Path

import yaml

from rewardscope.config import plan
from rewardscope.config.config import load

ROOT = Path(__file__).parents[2]


def merged(name: str, **more):
    raw = yaml.safe_load((ROOT / "config.yaml").read_text())
    over = yaml.safe_load((ROOT / "config" / name).read_text())

    def merge(a, b):
        return {**a, **{k: merge(a.get(k), v) for k, v in b.items()}} if isinstance(a, dict) and isinstance(b, dict) else b

    return load(merge(merge(copy.deepcopy(raw), over), more))


def test_the_paper_s_grid():
    """25,000 reviews x 256 tokens = 6.4 M; x 5 layers x 512 x 2 bytes = 30.5 GiB a side of Pythia-70m."""
    lines = plan.lines(merged("paper.yaml"))
    assert len(lines) == 8 + 5  # those of the chat server
    assert lines[0] == (
        "pythia-70m x utility, 1 run: 24,960 PPO episodes a run; at most 6.4 M tokens a side at 5 layers, 30.5 GiB of activations a side"
    )
    assert lines[4].startswith("pythia-70m x distilbert-imdb, 1 run: 24,960 PPO episodes a run; at most 6.4 M tokens a side")
    both = 2 * 6.4e6 * 5 * 2 * (2 * (512 + 768 + 1024) + 768) / 2**30
    assert lines[-1] == f"activations in all: at most {both:.1f} GiB, deleted once used; one side takes up to 61.0 GiB"


def test_what_the_chat_server_would_be_asked(monkeypatch, tmp_path):
    """A pair: 2 sides x 5 layers x 30 features x 6 seeds x 3 samples = 5,400 requests of 5 x 50 lines of 4 tokens, and the prompt.

    The four pairs whose reward has a word table are in every table, the three others in Table 5 and section 6.1.
    """
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    prompt = len((ROOT / "workflow/prompts/explain.txt").read_text().strip()) / 4

    def asked(pairs: int) -> str:
        read, written = pairs * 5_400 * (5 * 50 * 4 + prompt) / 1e6, pairs * 5_400 * 100 / 1e6
        tokens = f"about {read:.1f} M tokens read and at most {written:.1f} M written"
        return f"{pairs * 5_400:,} requests, {tokens}, about ${read * 30 + written * 60:,.2f}"

    lines = plan.lines(merged("paper.yaml").model_copy(update={"cache": str(tmp_path / "none")}))[7:-1]
    assert lines == [
        f"table3 by gpt-4: {asked(4)}", f"table5 by gpt-4: {asked(7)}", f"section5.3 by gpt-4: {asked(4)}", f"section6.1 by gpt-4: {asked(7)}",
        f"the same answers are paid once; all of them: {asked(7)}; the budget is $10.00",
    ]  # fmt: skip
    assert not (tmp_path / "none").exists()


def test_a_twin_is_explained_as_its_true_reward_is(tmp_path):
    """A table of the words of U has the features of the twin's runs too: 2 runs of 5,400 requests each; of a classifier's twin it has none."""
    config = merged(
        "paper.yaml",
        rewards={"judged-placebo": {"twin_of": "distilbert-imdb", "kind": "noise"}},
        pairs=[{"model": "pythia-70m", "reward": reward, "corpus": "imdb"} for reward in ("utility", "utility-placebo", "judged-placebo")],
        runs=2,
        cache=str(tmp_path / "none"),
    )
    asked = {line.split()[0]: line.split(": ")[1].split()[0] for line in plan.requests(config)[:-1]}
    assert asked == {"table3": "21,600", "table5": "32,400", "section5.3": "21,600", "section6.1": "32,400"}
    elsewhere = config.model_copy(update={"corpora": {**config.corpora, "imdb": config.corpora["imdb"].model_copy(update={"opinions": None})}})
    del asked["section6.1"]
    assert {line.split()[0]: line.split(": ")[1].split()[0] for line in plan.requests(elsewhere)[:-1]} == asked


def test_what_scores_would_cost(tmp_path):
    """A feature of 3 samples has 7 explanations to score: own and another's of each, and the empty one.

    Each is a request for 3 x 10 windows of 16 tokens, a line of at most 8 tokens in the answer for each token, and one
    for 20 windows, a line for each. An explanation is counted with its 100 tokens at most; explanations are in the sum.
    """
    config = merged("paper.yaml")
    config = config.model_copy(update={"targets": ("table5", "scores"), "cache": str(tmp_path / "none"), "pairs": config.pairs[:1]})
    prompts = [(ROOT / f"workflow/prompts/{kind}.txt").read_text() for kind in ("explain", "promotes", "simulate", "detect")]
    explain, promotes, simulate, detect = (len(text.strip()) / 4 for text in prompts)
    features = 2 * 5 * 30 * 6
    count = features * 3 + features * 7 * (30 + 1)
    read = features * (3 * (explain + 1000) + 7 * (30 * (simulate + 100 + 16 * 4) + detect + 100 + 20 * (16 + 4)))
    written = features * (3 * 100 + 7 * (30 * 16 * 8 + 20 * 8))
    scores = f"{count:,} requests, about {read / 1e6:.1f} M tokens read and at most {written / 1e6:.1f} M written, about ${(read * 30 + written * 60) / 1e6:,.2f}"
    lines = plan.requests(config)
    assert lines[0].startswith("table5 by gpt-4: 5,400 requests")
    assert lines[1:] == [f"scores by gpt-4: {scores}", f"the same answers are paid once; all of them: {scores}; the budget is $10.00"]
    twice = config.model_copy(update={"llm": config.llm.model_copy(update={"promotes": True})})
    read = 5_400 * (explain + 1000 + promotes + 2 * 8 * 4)
    assert plan.requests(twice)[0].startswith(f"table5 by gpt-4: 10,800 requests, about {read / 1e6:.1f} M tokens read and at most 1.1 M written")


def test_real_reviews_of_unknown_size_are_said_to_be_so():
    config = merged("imdb-small.yaml")
    assert plan.documents_of(config, "imdb") == 2000
    free = config.model_copy(update={"corpora": {"imdb": config.corpora["imdb"].model_copy(update={"max_documents": None})}})
    assert "not known before it is loaded" in plan.lines(free)[0]


def test_room_for_activations():
    """The default: 1,400 documents x 256 tokens x 128 x 4 bytes = 175 MiB a side; six runs share one base side."""
    side = 1400 * 256 * 128 * 4
    config = load(yaml.safe_load((ROOT / "config.yaml").read_text()))
    assert plan.side(config, config.pairs[0]) == side and plan.room(config) == (7 * side, side)
    assert plan.room(config.model_copy(update={"picks": config.picks.model_copy(update={"shared": False})})) == (12 * side, side)

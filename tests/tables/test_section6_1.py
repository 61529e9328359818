"""Section 6.1: what counts as an opinion on films, and the counts on explanations that can be counted by hand."""

import inspect
import math
from pathlib import Path

import pandas as pd
import pytest
from explanation_lines import place
from scipy import stats
from test_snakefiles import jobs
from workflow_runs import ROOT

from rewardscope.explain import tokens
from rewardscope.tables.film_opinions import FILMS, OPINIONS, WORDS, about
from rewardscope.tables.paper import VALUES
from rewardscope.tables.section6_1 import rows

NAMES = {"model": "tiny", "reward": "utility"}
BOTH, FILM, OPINION, NEITHER = (True, True), (True, False), (False, True), (False, False)

SENTENCES = [
    ("looking for opinions or sentiments about movies in the text.", BOTH),
    ("a Film-related review", BOTH),  # parts of a compound
    ("Words around filmmaking that critics praised; reviewers\N{RIGHT SINGLE QUOTATION MARK} verdicts", BOTH),
    ("the acting is terrible", BOTH),
    ("great . the . cinema", BOTH),  # quoted words
    ("titles of films and names of actors", FILM),
    ("activating for titles of books, movies, or series", FILM),
    ("a critical scene of the movie", FILM),  # a turning point, not a critic
    ("the best man in a film about a poor family and a love story", FILM),
    ("film music like jazz, shown in a picture", FILM),
    ("looking for negative sentiments or criticisms in the text.", OPINION),
    ("reviews of restaurants", OPINION),
    ("an actual activity, directing the reader", NEITHER),
    ("previews and crises", NEITHER),  # no word inside a word
    ("a filter for critters and oppositions", NEITHER),
    ("", NEITHER),
]


@pytest.mark.parametrize(("sentence", "found"), SENTENCES, ids=[sentence[:30] for sentence, _ in SENTENCES])
def test_about(sentence, found):
    assert about(sentence) == found


def test_words_are_listed_once_and_are_words():
    for listed in (WORDS["films"], *WORDS["opinions"].values()):
        assert listed == listed.lower() and len(set(listed.split())) == len(listed.split())
    opinions = " ".join(WORDS["opinions"].values()).split()
    assert len(opinions) == len(set(opinions)) > 150 and not {word for word in opinions if FILMS.fullmatch(word.rstrip("*"))}
    assert not {word for word in WORDS["films"].split() if OPINIONS.fullmatch(word.rstrip("*"))}


def test_the_paper_s_own_explanations():
    """Appendix E, of the tuned Pythia-70m: the rule is a little stricter than the paper's reading (21 of 50; layer 4: 8)."""
    listed = pd.read_csv(Path(__file__).with_name("appendix_e.csv"))
    assert listed.groupby("layer").size().to_dict() == VALUES["appendix_e"]["pythia-70m"]
    found = listed["explanation"].map(lambda text: all(about(text))).groupby(listed["layer"]).sum()
    assert found.to_dict() == {1: 3, 2: 3, 3: 1, 4: 7, 5: 3}
    theirs = VALUES["section6.1"]["pythia-70m"]
    assert found.sum() == 17 <= theirs["rlhf"] and found[4] == 7 <= theirs["rlhf_layer4"]


def line(words: str, raised: str = "", explainer: str = "tokens") -> dict:
    """An explanation that quotes `words`; its template speaks of a bad film, which must not count."""
    return {
        "words": words.split(),
        "activates_on": f"A bad film, {words}.",
        "raised": [{"token": f" {word}", "logit": 1.0} for word in raised.split()],
        "lowered": [{"token": " bad", "logit": -1.0}, {"token": " film", "logit": -1.0}],
        "explainer": explainer,
        "feature": f"{words}, {raised}",
    }


def test_rows_by_hand():
    """Two layers, two seeds; the first layer's third feature is only on one side and is capped away."""
    good, film, both = line("good", "good film"), line("film"), line("good film")
    places = [
        place([good, film], [both, film, both], layer=2, seed=1),
        place([film], [both], layer=5, seed=1),
        place([good, film], [film, both], layer=2, seed=2),
        place([both], [both], layer=5, seed=2),
    ]
    two, five, every = rows(places, NAMES)
    assert list(two)[:9] == ["model", "reward", "layer", "base", "rlhf", "difference", "ci_low", "ci_high", "p_value"] and two.keys() == every.keys()
    assert [row["layer"] for row in (two, five, every)] == [2, 5, "all"]
    assert (two["base"], two["rlhf"], two["difference"]) == (0, 1, 1)
    assert (five["base"], five["rlhf"], five["difference"]) == (0.5, 1, 0.5)
    assert (every["base"], every["rlhf"], every["difference"]) == (0.5, 2, 1.5)
    half = 12.7062 * 0.5  # base 0 and 1, RLHF 2 and 2: Welch's one degree of freedom, t(0.975, 1) x standard error
    assert (every["ci_low"], every["ci_high"]) == pytest.approx((1.5 - half, 1.5 + half), rel=1e-4)
    assert math.isnan(every["p_value"])  # two replicates
    assert (two["top_k"], five["top_k"], every["top_k"], every["texts"]) == (2, 1, 1, 3)
    assert (two["films_base"], two["films_rlhf"], two["opinions_base"], two["opinions_rlhf"]) == (1, 2, 1, 1)
    assert (every["promotes_base"], every["promotes_rlhf"], every["promotes_difference"]) == (1, 0, -1)
    assert (every["unit"], every["runs"], every["sae_seeds"], every["samples"], every["explainer"]) == (
        "SAE noise of one run", 1, 2, 1, "tokens",
    )  # fmt: skip


def test_what_is_promoted_must_name_both():
    """And of either side as many features are read as the other has."""
    film, opinion, both = line("x", "film"), line("x", "good"), line("x", "good film")
    for base, rlhf, counts in (
        ([film, opinion, both], [film, opinion, film], (3, 1, 0)),
        ([both] * 3, [film], (1, 1, 0)),
        ([film], [both] * 3, (1, 0, 1)),
    ):
        found = rows([place(base, rlhf)], NAMES)[-1]
        assert (found["texts"], found["promotes_base"], found["promotes_rlhf"]) == counts


def test_free_text_counts_whole():
    found = rows([place([line("x", explainer="gpt")], [line("x")])], NAMES)[-1]
    assert (found["base"], found["rlhf"]) == (1, 0)


def test_first_ten_and_an_exact_p():
    films = [line("good film")] * 12
    places = [place([line("x")] * 30, films + [line("x")] * 18, seed=seed) for seed in range(1, 7)]
    found = rows(places, NAMES)[-1]
    assert (found["rlhf"], found["top_k"], found["texts"], found["p_value"]) == (10, 10, 10, 2 / math.comb(12, 6))


def test_seeds_are_not_paired():
    """Base 0 and 1, RLHF 1 and 2: each seed differs by 1, but SAEs of either side have nothing in common."""
    none, one, two = ([line(text) for text in texts] for texts in (("x", "x"), ("x", "good film"), ("good film", "good film")))
    every = rows([place(none, one, seed=1), place(one, two, seed=2)], NAMES)[-1]
    welch = stats.ttest_ind([1, 2], [0, 1], equal_var=False).confidence_interval()
    assert (every["difference"], every["ci_low"], every["ci_high"]) == pytest.approx((1, welch.low, welch.high))


def test_several_runs_are_the_replicates():
    places = [place([line("x")], [line("good film")], run="run1", layer=2), place([line("x")], [line("x")], run="run2", layer=3)]
    two, three, every = rows(places, NAMES)
    assert (every["rlhf"], every["unit"], every["runs"]) == (0.5, "tuning run", 2)
    assert (two["rlhf"], three["rlhf"], two["runs"]) == (1, 0, 1)  # a layer has only the runs that chose it


def test_no_living_feature():
    found = rows([place([], [line("good film")])], NAMES)[-1]
    assert (found["top_k"], found["texts"], found["featureless"], found["explainer"]) == (0, 0, 1, "tokens")
    assert all(math.isnan(found[key]) for key in ("base", "rlhf", "difference", "ci_low", "films_base", "promotes_difference"))


def test_the_explainer_is_not_told_the_side():
    """Equal evidence gives an equal line: nothing that `explain` takes says which model it is from."""
    assert list(inspect.signature(tokens.explain).parameters) == ["feature", "fires", "corpus", "raised", "lowered", "settings"]


def test_only_corpora_with_the_keyword_file_are_counted(tmp_path, monkeypatch):
    """A corpus without has no row; where none has it nothing is made, though `targets` lists it, and the corpus itself is not made again."""
    monkeypatch.chdir(tmp_path)
    overlay = Path("own.yaml")
    pair = "{{model: {}, reward: utility, corpus: {}}}"
    library = "corpora: {news: {like: reviews, opinions: null}}\nmodels: {other: {like: tiny, pretrain: {corpus: news}}}\n"
    overlay.write_text(f"{library}pairs: [{pair.format('other', 'news')}, {pair.format('tiny', 'reviews')}]\n")
    both = jobs(ROOT / "Snakefile", overlay)
    counted = both["section6_1", ()]
    assert counted["params"]["pairs"] == "['pairs/tiny/utility/run1']" and not [file for file in counted["input"] if "other" in file]
    assert both["report", ()]["params"]["pairs"] == "['pairs/other/utility/run1', 'pairs/tiny/utility/run1']"
    news, reviews = (both["corpus", (("corpus", name),)]["params"]["entry"] for name in ("news", "reviews"))
    assert news == reviews and "opinions" not in news
    overlay.write_text(f"{library}pairs: [{pair.format('other', 'news')}]\n")
    none = jobs(ROOT / "Snakefile", overlay)
    assert ("section6_1", ()) not in none and not [file for file in none["report", ()]["input"] if "section6.1" in file]

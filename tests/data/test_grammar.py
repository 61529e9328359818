"""The embedded corpus: size of its language, agreement of its parts, and its dependence on the seed."""

import random
import re
from collections import Counter

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from rewardscope.data import grammar

COUNT = 4000
LEXICON = SentimentIntensityAnalyzer().lexicon
# Sentences that negate the captured word, written out by hand and not derived from the templates.
NEGATION = re.compile(
    r"(?:(?:is|are|was) (?:not(?: at all)?|never)|nothing|neither|did not|does not|far from|hardly an?|without any"
    r"|could call .+|expected an?) (\w+)"
    r"(?=\.|, (?:whatever|only|merely|even|and it is not|\w+ (?:makes|builds|finds|drags out|repeats|returns))"
    r"| about | nor | once\.| anyone\.| for a (?:moment|minute|second)\.| in any scene\.| as \w+\."
    r"| (?:moment|scene|line) in)",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def reviews():
    return grammar.generate(COUNT, seed=0)


@pytest.fixture(scope="module")
def outlines():
    """The sentences of the same reviews, each as (part, sign, negated, text)."""
    return [grammar.compose(random.Random(f"0-{i}"))[1] for i in range(COUNT)]


def templates() -> dict[str, list[str]]:
    """Sentence templates by the part of the review they serve, for example ``opinion/positive/film``."""
    parts = ("opening", "cast", "plot", "viewing", "opinion", "aspects", "verdict", "advice", "genres")
    sentences = {}

    def collect(path: str, node) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                collect(f"{path}/{key}", child)
        elif "<" in node[0]:  # word lists hold no slots
            sentences[path] = node

    for part in parts:
        collect(part, grammar.WORDS[part])
    return sentences


def split(text):
    return re.split(r"(?<=[.!?]) ", text)


def test_language_is_rich(reviews):
    words = Counter(word for review in reviews for word in re.findall(r"[a-z']+", review["text"].lower()))
    assert 1500 <= len(words) <= 2400
    assert sum(word in LEXICON for word in words) >= 350
    share = sum(count for word, count in words.items() if word in LEXICON) / words.total()
    assert 0.06 <= share <= 0.10


def test_templates_are_many_and_distinct():
    skeletons = {re.sub(r"<\w+>|\([^()]*\)", "_", template) for options in templates().values() for template in options}
    assert len(skeletons) >= 350
    # Templates that differ in a word of praise or blame only count once here.
    openings = {tuple(re.findall(r"[a-z]+", skeleton)[:4]) for skeleton in skeletons}
    assert len(openings) >= 200


def test_no_sentence_is_common(reviews):
    sentences = Counter(sentence for review in reviews for sentence in set(split(review["text"])))
    sentence, count = sentences.most_common(1)[0]
    assert count <= 0.005 * COUNT, sentence


def test_lengths_vary(reviews, outlines):
    sentences = [len(split(review["text"])) for review in reviews]
    assert sentences == [len(outline) for outline in outlines]
    assert min(sentences) >= 5 and max(sentences) <= 15
    assert sum(6 <= count <= 12 for count in sentences) >= 0.9 * COUNT
    words = sorted(len(review["text"].split()) for review in reviews)
    assert words[0] <= 55 and 80 <= words[COUNT // 2] <= 130


def test_reviews_are_distinct():
    assert len({review["text"] for review in grammar.generate(8000, seed=0)}) == 8000


def test_reviews_depend_on_seed_and_position_only(reviews):
    assert grammar.generate(50, seed=0) == reviews[:50]
    other = {review["text"] for review in grammar.generate(50, seed=1)}
    assert not other & {review["text"] for review in reviews}


def test_text_is_clean(reviews):
    for review in reviews:
        text = review["text"]
        assert not re.search(r"[<>()|_\[\]]|  | [,.]|\b[Aa] (?!one\b|us|uni)[aeiouAEIOU]|\b(\w+) \1\b", text), text
        assert all(sentence[0].isupper() and sentence[-1] in ".!?" for sentence in split(text))
        assert text.isascii()


def test_label_is_the_sign_of_the_opinions(reviews, outlines):
    for review, outline in zip(reviews, outlines, strict=False):
        signs = [sign for part, sign, _, _ in outline if part == "opinion"]
        assert (signs.count(1), signs.count(-1)) == (review["positive"], review["negative"])
        assert review["sentiment"] == sum(signs) / len(signs) != 0
        assert review["label"] == int(review["sentiment"] > 0)
    assert 0.47 < sum(review["label"] for review in reviews) / COUNT < 0.53
    assert 0.25 < sum(abs(review["sentiment"]) < 1 for review in reviews) / COUNT < 0.55


def test_verdict_agrees_with_label(reviews, outlines):
    stars = {"no": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
    closing = {
        0: ("I cannot recommend", "Skip ", "Avoid it", "why I stay at home", "the worst", "a no from me"),
        1: ("Go and see", "Do not miss", "Thank you", "why I go to the cinema", "the best", "a yes from me"),
    }
    seen = Counter()
    for review, outline in zip(reviews, outlines, strict=False):
        assert [sign for _, sign, _, _ in outline if sign][-1] == (1 if review["label"] else -1)
        if match := re.search(r"\b(\d+)(?: out of |/)10\b", review["text"]):
            assert int(match[1]) == review["score"] and (review["score"] > 5) == review["label"]
            seen["score"] += 1
        if match := re.search(r"\b(\w+) stars? out of five", review["text"]):
            assert (stars[match[1].lower()] > 2) == review["label"]
            seen["stars"] += 1
        for label, phrases in closing.items():
            for phrase in phrases:
                if phrase in review["text"]:
                    assert review["label"] == label, review["text"]
                    seen[phrase] += 1
    assert len(seen) == 14 and min(seen.values()) >= 10


def test_lexicon_follows_label(reviews):
    def utility(text):
        return sum(LEXICON.get(word, 0) for word in re.findall(r"[a-z']+", text.lower()))

    mean = {label: [utility(review["text"]) for review in reviews if review["label"] == label] for label in (0, 1)}
    assert sum(mean[1]) / len(mean[1]) > 4 and sum(mean[0]) / len(mean[0]) < -3


@pytest.mark.parametrize(
    "sentence, word",
    [
        ("The songs are not good.", "good"),
        ("I was not bored for a moment.", "bored"),
        ("There is nothing dull about the plot.", "dull"),
        ("The film is neither lazy nor empty.", "lazy"),
        ("Nobody could call the acting great.", "great"),
        ("Dray is far from superb as Nora.", "superb"),
        ("I expected a masterpiece, and it is not that at all.", "masterpiece"),
    ],
)
def test_negation_pattern_reads_hand_picked_cases(sentence, word):
    assert NEGATION.search(sentence)[1] == word


def test_negated_facts(reviews, outlines):
    for review, outline in zip(reviews, outlines, strict=False):
        assert review["negated"] == sum(negated for *_, negated, _ in outline)
        for part, sign, negated, text in outline:
            match = NEGATION.search(text) if part == "opinion" else None
            utility = LEXICON.get(match[1], 0) if match else 0
            assert negated == (utility != 0), text
            assert not negated or utility * sign < 0, text
    share = sum(review["negated"] for review in reviews) / sum(r["positive"] + r["negative"] for r in reviews)
    assert 0.05 < share < 0.2


def test_facts_are_in_the_text(reviews):
    for review in reviews:
        text = review["text"]
        assert all(review[key] in text for key in ("title", "director", "actor", "character")), text
    for review in reviews:
        aspects = review["aspects"].split(",")
        assert len(aspects) == len(set(aspects)) and set(aspects) <= set(grammar.WORDS["aspects"])


def test_names_return(reviews):
    def returns(review):
        last = {key: review[key].split()[-1] for key in ("director", "actor")}
        names = [review["title"], review["character"].split()[0], *last.values()]
        return any(len(re.findall(rf"\b{re.escape(name)}\b", review["text"])) >= 2 for name in names)

    assert sum(map(returns, reviews)) >= 0.9 * COUNT
    assert sum(review["text"].count(review["title"]) >= 2 for review in reviews) >= 0.6 * COUNT


def test_pronouns_agree(reviews):
    gender = {name: "his" if pronoun == "he" else "her" for pronoun, names in grammar.WORDS["first_names"].items() for name in names}
    checked = 0
    for review in reviews:
        text = review["text"]
        directed = re.search(r"film from [A-Z]\w+ [A-Z]\w+, and (his|her) first", text)
        starred = re.findall(rf"\b([Hh]is|[Hh]er) (?:[\w ]+ )?{review['partner']}\b|on (his|her) way", text)
        assert not directed or directed[1] == gender[review["director"].split()[0]]
        for words in starred:
            assert "".join(words).lower() == gender[review["actor"].split()[0]], text
            assert gender[review["actor"].split()[0]] == gender[review["character"].split()[0]]
        checked += bool(directed) + len(starred)
    assert checked > COUNT / 4


def test_genre_holds(reviews):
    things = {genre: [thing for thing in lists["thing"] if " " in thing] for genre, lists in grammar.WORDS["genres"].items()}
    assert len(things) >= 10
    others = {genre: re.compile("|".join(rf"\b{thing}\b" for key in things if key != genre for thing in things[key])) for genre in things}
    for review in reviews:
        assert review["thing"] in grammar.WORDS["genres"][review["genre"]]["thing"]
        assert not others[review["genre"]].search(review["text"]), review["text"]


def test_no_seed_runs_out_of_templates():
    """A genre has few opinions of its own: a review that has used them all must go on with general ones."""
    assert len(grammar.generate(20_000, seed=5)) == 20_000

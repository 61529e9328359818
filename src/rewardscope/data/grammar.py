"""Seeded generator of film reviews, the embedded default corpus.

A review is drawn from the outside in: the facts of one film (title, people, genre, place), the signs of the opinions,
the order of the sentences, then the words. Facts hold for the whole review, so a name, a place or a judgement met
early returns later; a model that sees only two words back cannot follow that. The words are in grammar.yaml.
"""

import random
import re
from pathlib import Path

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C loader is ten times faster, but optional
WORDS = yaml.load(Path(__file__).with_name("grammar.yaml").read_text(encoding="utf-8"), LOADER)
CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
SLOT = re.compile(r"<(\w+)>")
ARTICLE = re.compile(r"\b(a) (?=[aeiou](?!ne\b|niv|nif|se)|hon(?:est|our))", re.IGNORECASE)
SIGN = {1: "positive", -1: "negative"}
PRONOUNS = {"he": ("he", "his", "him"), "she": ("she", "her", "her")}
NUMBER = {"singular": {"is": "is", "s": "s", "they": "it"}, "plural": {"is": "are", "s": "", "they": "they"}}
STARS = ["no stars", "one star", "two stars", "three stars", "four stars", "five stars"]


def draw_film(rng: random.Random) -> dict:
    """Facts of one film. ``forms`` holds what takes a shorter form, or the same one, after its first mention."""
    genre = rng.choice(list(WORDS["genres"]))
    lists = WORDS["genres"][genre]
    film = {"genre": genre, "lists": lists, "used": set(), "tone": rng.choice((0.5, 0.7, 0.9))}
    for slot in ("job", "place", "thing", "foe"):
        film[slot] = rng.choice(lists[slot])
    film["company"] = rng.choice(WORDS["company"])

    genders = {role: rng.choice(("he", "she")) for role in ("director", "actor", "partner")}
    genders["character"] = genders["actor"]
    film["he"], film["his"], film["him"] = PRONOUNS[genders["actor"]]
    film["dhis"] = PRONOUNS[genders["director"]][1]
    lasts = rng.sample(WORDS["last_names"], 3)
    firsts = {gender: rng.sample(names, 5) for gender, names in WORDS["first_names"].items()}
    names = {role: firsts[gender].pop() for role, gender in genders.items()}
    film["Name"] = firsts["she"].pop()
    for role, last in zip(("director", "actor", "character"), lasts, strict=True):
        film[role] = f"{names[role]} {last}"
    film["partner"] = names["partner"]
    film["title"], film["earlier"] = (ARTICLE.sub(r"\1n ", fill(rng.choice(WORDS["title_patterns"]), film, rng)) for _ in range(2))
    film["forms"] = {
        "director": [film["director"], lasts[0]],
        "actor": [film["actor"], lasts[1]],
        "character": [film["character"], names["character"]],
        "partner": ["<his> <tie> " + names["partner"], names["partner"]],
    }
    return film


def fill(template: str, film: dict, rng: random.Random) -> str:
    """Fill a template: first its (a|b) choices, then its <slots>, from left to right."""
    template = CHOICE.sub(lambda m: rng.choice(m[1].split("|")), template)
    return SLOT.sub(lambda m: fill(draw_slot(m[1], film, rng), film, rng), template)


def write(options: list[str], film: dict, rng: random.Random) -> str:
    """Fill one of the templates that the review has not used yet."""
    template = rng.choice([option for option in options if option not in film["used"]])
    film["used"].add(template)
    return fill(template, film, rng)


def draw_slot(slot: str, film: dict, rng: random.Random) -> str:
    """A fact of the film, or a word of the genre's or the general list that the review has not used yet."""
    if slot in film.get("forms", ()):
        forms = film["forms"][slot]
        return forms.pop(0) if len(forms) > 1 else forms[0]
    if slot in film:
        return film[slot]
    # The tone of a review is how readily it takes words of the VADER lexicon: windows of text differ in reward.
    if slot == "praise":
        slot = "good" if rng.random() < film["tone"] else "apt"
    if slot == "scorn":
        slot = "bad" if rng.random() < film["tone"] else "weak"
    words = film["lists"].get(slot) or WORDS[slot]
    for _ in range(4):
        word = words[int(len(words) * rng.random() ** 1.4)]  # common words first, a moderate tail
        if word not in film["used"]:
            break
    film["used"].add(word)
    return word


def draw_signs(rng: random.Random) -> list[int]:
    """Signs of the opinions, in order: a clear majority, often with one or two of the other sign together."""
    label = rng.choice((1, -1))
    count = rng.choice((2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6))
    contrary = rng.choice({2: (0,), 3: (0, 0, 1), 4: (0, 0, 1)}.get(count, (0, 0, 0, 1, 1, 2)))
    turn = rng.randint(0, count - contrary)
    return [label] * turn + [-label] * contrary + [label] * (count - contrary - turn)


def write_opinion(sign: int, film: dict, rng: random.Random) -> tuple[str, bool]:
    """One opinion sentence of the given sign, and whether it negates a word of the other sign."""
    side = SIGN[sign]
    general = WORDS["opinion"][side]
    named = film["named"].setdefault(side, [])
    # The first opinion of a sign names its aspect, so that the verdict can return to it.
    kind = rng.choices(("aspect", "idiom", "film", "negated", "genre"), (28, 24, 24, 17, 7))[0] if named else "aspect"
    if kind == "genre" and not film["used"].issuperset(film["lists"][side]):
        return write(film["lists"][side], film, rng), False
    if kind in ("film", "genre"):  # a genre has few opinions of its own, and this review may have used them
        return write(general["film"], film, rng), False
    aspect = film["aspects"].pop()
    number = rng.choice(("singular", "singular", "plural"))
    film |= {"aspect": rng.choice(WORDS["aspects"][aspect][number]), **NUMBER[number]}
    named.append(aspect)
    film.setdefault({1: "liked", -1: "disliked"}[sign], film["aspect"])
    options = WORDS["aspects"][aspect][side] if kind == "idiom" else general[kind]
    return write(options, film, rng), kind == "negated"


def compose(rng: random.Random) -> tuple[dict, list[tuple[str, int, bool, str]]]:
    """Facts of a review, and its sentences as (part, sign, negated, text) with sign 0 where there is no opinion."""
    film = draw_film(rng)
    signs = draw_signs(rng)
    sentiment = sum(signs) / len(signs)
    sign = 1 if sentiment > 0 else -1
    film["aspects"] = rng.sample(list(WORDS["aspects"]), len(WORDS["aspects"]))
    film["named"] = {}
    score = round(5.5 + 3.5 * abs(sentiment)) + (abs(sentiment) == 1 and rng.random() < 0.5)
    film["score"] = str(score if sign > 0 else 11 - score)
    film["stars"] = STARS[int(film["score"]) // 2]

    sentences = []

    def add(part: str, options: list[str]) -> None:
        sentences.append((part, 0, False, write(options, film, rng)))

    def add_opinion(index: int) -> None:
        text, negated = write_opinion(signs[index], film, rng)
        if index and signs[index] != signs[index - 1]:
            text = fill("<turns> ", film, rng) + text
        elif index and rng.random() < 0.12:
            text = fill("<links> ", film, rng) + text
        sentences.append(("opinion", signs[index], negated, text))

    early = rng.random() < 0.25  # some reviewers judge before they tell the story
    add("opening", WORDS["opening"])
    if early:
        add_opinion(0)
    add("cast", WORDS["cast"])
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3))):
        add("plot", film["lists"]["plot"] if rng.random() < 0.75 else WORDS["plot"])
    if rng.random() < 0.35:
        add("viewing", WORDS["viewing"])
    for index in range(early, len(signs)):
        add_opinion(index)
    side, strength = SIGN[sign], "strong" if abs(sentiment) == 1 else "mild"
    sentences.append(("verdict", sign, False, write(WORDS["verdict"][side][strength], film, rng)))
    if rng.random() < 0.6:
        sentences.append(("advice", sign, False, write(WORDS["advice"][side], film, rng)))
    facts = {
        "label": int(sign > 0),
        "sentiment": sentiment,
        "score": int(film["score"]),
        "positive": signs.count(1),
        "negative": signs.count(-1),
        "negated": sum(negated for _, _, negated, _ in sentences),
        "aspects": ",".join(film["named"].get("positive", []) + film["named"].get("negative", [])),
        **{key: film[key] for key in ("genre", "title", "director", "actor", "character", "partner", "job", "place", "thing", "foe")},
    }
    return facts, [(part, sign, negated, finish(text)) for part, sign, negated, text in sentences]


def finish(text: str) -> str:
    """Make a filled template a sentence: "a" or "an", a capital, a full stop."""
    text = ARTICLE.sub(r"\1n ", text)
    return text[0].upper() + text[1:] + "."


def generate(documents: int, seed: int) -> list[dict]:
    """Reviews with the facts they were written from. Review i depends on the seed and i alone, not on the count."""
    reviews = []
    for i in range(documents):
        facts, sentences = compose(random.Random(f"{seed}-{i}"))
        reviews.append({"text": " ".join(text for *_, text in sentences), **facts})
    return reviews

"""Corpora: train and test documents, the test documents split once into `fit` and `held`."""

from collections.abc import Iterable
from importlib.resources import files

import pandas as pd

from rewardscope.data import grammar, rows, words
from rewardscope.errors import UserError
from rewardscope.seeds import derive, share

TRAIN = 0.25  # share of train documents where one file is train and test: of a pair that is given, autoencoders read the others
FEW = 0.5  # of characters in words; reviews have 0.95


def generate(sizes: dict[str, int], seed: int) -> dict[str, pd.DataFrame]:
    """The embedded corpus: `sizes` documents for train and test, from separate seeds, the facts beside the text."""
    return {part: pd.DataFrame(grammar.generate(count, derive(seed, "corpus", part))) for part, count in sizes.items()}


def share_out(parts: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Of one file that was read as train and as test: each document in one of them alone, by a hash of the text."""
    return {part: frame[[(share(text, "train") < TRAIN) == (part == "train") for text in frame["text"]]] for part, frame in parts.items()}


def finish(parts: dict[str, pd.DataFrame], held: float) -> dict[str, pd.DataFrame]:
    """Add `part` to the test documents: `held` for about that share of them, by a hash of the text, else `fit`.

    A test document that also stands in train is dropped: it would not be unseen. So are empty and repeated texts.
    Raises UserError where nothing is left.
    """
    train, test = (frame[frame["text"].str.strip() != ""].drop_duplicates("text") for frame in (parts["train"], parts["test"]))
    test = test[~test["text"].isin(set(train["text"]))].reset_index(drop=True)
    part = ["held" if share(text, "held") < held else "fit" for text in test["text"]]
    test.insert(1, "part", part)
    for name, frame in (("train", train), ("fit test", test[test["part"] == "fit"]), ("held test", test[test["part"] == "held"])):
        if frame.empty:
            raise UserError(f"the corpus has no {name} documents")
    return {"train": train.reset_index(drop=True), "test": test}


def valued(texts: Iterable[str], lexicon: str) -> bool:
    """Whether a word of a lexicon (`vader`, or a CSV with a column word) is in any text, by itself or in a compound."""
    if lexicon == "vader":
        lines = files("vaderSentiment").joinpath("vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
        table = {line.split("\t")[0].lower() for line in lines}
    else:
        read = rows.csv_rows(lexicon, rows.text_of(lexicon), lambda names, where: rows.wanted(names, ["word"], where, ""))
        table = {word for row in read.values() for word in words.words(row["word"])}
    return any(part in table for text in texts for word in words.words(text) for part in (word, *word.split("-")))


def doubt(train: pd.DataFrame) -> str | None:
    """What to say of a corpus in which hardly anything is a word: rewards by words, vocabularies and explanations find nothing in it."""
    if (share := words.share(train["text"].tolist())) >= FEW:
        return None
    return (
        f"only {share:.0%} of the train documents' characters are in words (data/words.py), so a reward of words and explanations will find "
        "little in them: put spaces between the words, or use a reward function"
    )

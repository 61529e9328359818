"""Texts for the trainers of tokenizers."""

import re
from collections.abc import Iterator

from tokenizers.pre_tokenizers import PreTokenizer

LONGEST = 1000  # characters of a "word" that a tokenizer is trained on
UNBROKEN = re.compile(rf"(?<!\S)\S{{{LONGEST}}}|(?<!\s)\s{{{LONGEST}}}")  # what has no such run has no longer word


def short_words(texts: list[str], split: PreTokenizer) -> Iterator[str]:
    """The texts, cut inside of "words", as `split` sees them, of more than LONGEST characters.

    The trainers of `tokenizers` take time that grows with the square of a word. Other words, and so texts without such a word, are as they were.
    """
    for text in texts:
        start = 0
        for _, (begin, end) in split.pre_tokenize_str(text) if UNBROKEN.search(text) else ():
            for cut in range(begin, end, LONGEST) if end - begin > LONGEST else ():
                yield text[start:cut]
                start = cut
        yield text[start:]

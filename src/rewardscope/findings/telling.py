"""Readings of contexts as rows: in words of the data, with examples."""

from collections import Counter

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rewardscope.data.words import spans
from rewardscope.explain.tokens import word_before, words_at
from rewardscope.findings import reading
from rewardscope.findings.samples import Samples

EXAMPLES = 3


class Telling:
    """What all readings of one run share."""

    def __init__(self, samples: Samples, side: Int[Tensor, "n"], pieces: list[list[str]]):
        """`side`: 1 for the tuned model's completions, 0 for the base's. `pieces`: the text of each token of each sequence."""
        self.samples, self.side, self.pieces = samples, side, pieces
        self.words = _words(pieces)
        places = [(i, samples.prompt + j) for i, j in zip(samples.sequence.tolist(), samples.place.tolist(), strict=True)]
        self.before = [word_before(self.words[i], at) for i, at in places]
        """for every sampled token the last whole word before its own"""
        self.here = [self.words[i][at - 1] or pieces[i][at - 1].strip() for i, at in places]
        """and the word, or the punctuation, at the position that predicted it"""
        often = Counter(word for word in self.here if word)
        self.share = {word: n / sum(often.values()) for word, n in often.items()}
        self.whole = self._most_frequent([self.words[i][at] or pieces[i][at].strip() for i, at in places])

    def rows(
        self, a: Float[Tensor, "T C"], scores: Float[Tensor, "C"], changes: Float[Tensor, "C vocabulary"], before: Float[Tensor, "C vocabulary"],
        after: Float[Tensor, "C vocabulary"], gained: Float[Tensor, "T"], weight: Float[Tensor, "T"], on: list[list[str]] | None,
    ) -> list[dict]:  # fmt: skip
        """A reading of each context, its columns from `score` on.

        `changes` as `reading.changes` gives them of the probabilities `before` and `after` tuning; `gained`: what each token added to the reward;
        examples are those of the largest a `weight`; `on`: where it is known which words a context fires on.
        """
        gain = reading.gain(self.samples, a, gained, self.side).tolist()
        on = on or [reading.fires_on(column, self.here, self.share) for column in a.T]
        return [self._row(a[:, i], scores[i].item(), gain[i], changes[i], before[i], after[i], weight, on[i]) for i in range(a.shape[1])]

    def _row(self, a, value: float, gain: float, change, before, after, weight, on: list[str]) -> dict:
        fired = torch.nonzero(a > 0).flatten()
        places = self.samples.place[fired].numpy()
        first, last = (int(np.quantile(places, q)) for q in (0.25, 0.75))
        more, less = (self.tokens(sign * change, before, after, sign) for sign in (1, -1))
        best = fired[(a * weight)[fired].argsort(descending=True)].tolist()
        return {
            "score": value, "firings": len(fired), "gain": gain, "alike": 0, "fires_on": on, "more": more, "less": less, "first": first,
            "last": last, "examples": [self._example(t) for t in _first_of_each(best, self.samples.sequence)[:EXAMPLES]],
            "sentence": reading.sentence(on, more, less, (first, last), gain),
        }  # fmt: skip

    def tokens(self, change, before, after, sign: int) -> list[dict]:
        """The `token`s of the largest `change`, at most `reading.SHOWN`, each as the word that it was most often part of, with its probability
        `before` and `after` tuning; those that became likelier, with `sign` -1 those that became rarer."""
        by_text: dict[str, dict] = {}
        for token in change.argsort(descending=True)[: 4 * reading.SHOWN].tolist():
            text = self.whole.get(token, "")
            if change[token] > 0 and text and text not in by_text and sign * (after[token] - before[token]) > reading.FLOOR:
                by_text[text] = {"token": text, "before": before[token].item(), "after": after[token].item()}
        return list(by_text.values())[: reading.SHOWN]

    def _example(self, t: int) -> str:
        i, at = int(self.samples.sequence[t]), self.samples.prompt + int(self.samples.place[t])
        row = self.pieces[i]
        return f"{''.join(row[:at])}«{row[at]}»{''.join(row[at + 1 :])}"

    def _most_frequent(self, written: list[str]) -> dict[int, str]:
        """Of each sampled token the word that it was part of most often; its own text is often a piece of one."""
        counts: dict[int, Counter[str]] = {}
        for token, word in zip(self.samples.token.tolist(), written, strict=True):
            counts.setdefault(token, Counter())[word] += 1
        return {token: of.most_common(1)[0][0] for token, of in counts.items()}


def _words(pieces: list[list[str]]) -> list[list[str]]:
    """For every token of every sequence the word that it is or is part of; empty for punctuation."""
    of_rows = []
    for row in pieces:
        ends = np.cumsum([0, *map(len, row)]).tolist()
        of_rows.append(words_at(list(zip(ends, ends[1:], strict=False)), spans("".join(row))))
    return of_rows


def _first_of_each(tokens: list[int], sequence: Int[Tensor, "T"]) -> list[int]:
    """The first token of every sequence, in their order."""
    return list({int(sequence[t]): t for t in reversed(tokens)}.values())[::-1]

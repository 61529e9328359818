"""Derived seeds: fixed for ever, and apart from each other."""

import itertools

import numpy as np
import torch

from rewardscope import seeds


def test_derive_is_pinned():
    """`printf '1/sae/base/top1/128' | sha256sum`, its first 16 hex digits, halved."""
    assert seeds.derive(1, "sae", "base", "top1", 128) == int("ece865a4222c6964", 16) // 2
    assert seeds.derive(7) == int("7902699be42c8a8e", 16) // 2


def test_every_part_of_the_purpose_counts():
    purposes = itertools.product((1, 2), ("sae", "null sae"), ("base", "rlhf"), ("top1", "top2"), (128, 256), (1, 2, 12))
    derived = {seeds.derive(*purpose) for purpose in purposes}
    assert len(derived) == 2 * 2 * 2 * 2 * 2 * 3
    assert seeds.derive(1, "a", "b") != seeds.derive(1, "b", "a")


def test_derived_seeds_suit_torch_and_numpy():
    derived = [seeds.derive(1, n) for n in range(200)]
    assert all(type(seed) is int and 0 <= seed < 2**63 for seed in derived)
    assert max(derived) > 2**62  # the whole range
    first = {torch.rand(1, generator=torch.Generator().manual_seed(seed + 1)).item() for seed in derived}
    assert len(first) == 200
    np.random.default_rng(max(derived))


def test_share_is_pinned():
    """`printf 'held\\0a review' | sha256sum`."""
    assert seeds.share("a review", "held") == int("2d66e12bbed5405e", 16) / 2**64


def test_share_is_uniform_and_depends_on_the_purpose():
    texts = [f"document {n}" for n in range(4000)]
    held, other = (np.array([seeds.share(text, purpose) for text in texts]) for purpose in ("held", "other"))
    for shares in (held, other):
        assert shares.min() >= 0 and shares.max() < 1
        counts = np.histogram(shares, bins=10, range=(0, 1))[0]
        assert (abs(counts - 400) < 4 * np.sqrt(4000 * 0.1 * 0.9)).all()  # four standard deviations
    assert abs(np.corrcoef(held, other)[0, 1]) < 4 / np.sqrt(4000)


def test_share_takes_text_that_is_no_utf8():
    assert seeds.share("\udc80", "held") != seeds.share("\udc81", "held")

"""Random states that depend on their purpose, not only on a number."""

import hashlib


def derive(seed: int, *purpose: object) -> int:
    """A 63-bit seed from `seed` and what it is for, e.g. `derive(1, "sae", site, pick, width)`.

    Two generators seeded with the same plain number produce the same numbers: the 512 initial rows of a small
    dictionary would equal the first 512 of the large one, stay equal where dead, and top the MMCS ranking.
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def share(text: str, purpose: str) -> float:
    """A fixed number in [0, 1) for a text: splits that survive shuffling, subsetting and new documents."""
    digest = hashlib.sha256(f"{purpose}\0{text}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64

"""The keys of the config, as its schema has them."""

from rewardscope.config.reference import keys

IN_USE = {"corpora": "reviews", "models": "tiny", "rewards": "utility", "sae_recipes": "paper"}  # by the default pair
GIVEN = ("theirs", "layer1")  # a recipe with `given` has no other key, so that it is none of those in use


def leaves() -> dict[str, dict]:
    """Dotted key -> JSON schema of every key that holds no further ones: `rlhf.kl`, `models.*.sae.l1`, `pairs[].model`."""
    return {key: form for key, form in keys().items() if not form["holds"]}


def overlay(key: str, value: object, pair: dict) -> dict:
    """The overlay that sets a key; `*` is the entry that `pair`, the default config's, uses."""
    head, *rest = key.split(".")
    if key == "pairs[].name":  # in place of a reward
        return {"pairs": [{"model": pair["model"], "name": value, "corpus": pair["corpus"], "rlhf": "tuned"}]}
    if head.startswith("pairs"):
        return {"pairs": [{**pair, rest[0]: value}]}
    for part in reversed(named(head, rest)):
        value = {part: value}
    return {head: value}


def named(library: str, parts: list[str]) -> list[str]:
    """The parts of a key below its library, an entry's name for each `*`."""
    names = iter(GIVEN if "given" in parts else [IN_USE.get(library)])
    return [next(names) if part == "*" else part for part in parts]

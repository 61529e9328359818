"""Table 2: the sizes of the dictionaries, and how they were trained, beside the paper's (section 5.2)."""

from rewardscope.tables.paper import VALUES, beside

TRAINED = ["epochs", "batch_documents", "learning_rate", "l1", "l1_on", "tied"]
TOP = ["epochs", "batch_documents", "learning_rate", "k", "nested", "tied"]  # of a recipe with k, which has no penalty


def rows(model: str, cfgs: list[dict], layers: list[dict[str, int]]) -> list[dict]:
    """A row per setting of one model's autoencoders.

    `cfgs`: the `cfg.json` of every autoencoder; `layers`: the `layers.json` of every pair and run. Raises ValueError
    where these are not of one experiment (two values of a setting, not two widths).
    """
    large, small = sorted({cfg["width"] for cfg in cfgs}, reverse=True)
    d_model = _one("d_model", [cfg["d_model"] for cfg in cfgs])
    used = {"large": large, "small": small, "d_model": d_model, "large / d_model": large / d_model, "small / d_model": small / d_model}
    used["layers"] = _one("layers", [sum(not pick.startswith("low") for pick in chosen) for chosen in layers])
    settings = [] if "given" in cfgs[0] else TOP if cfgs[0].get("k") else TRAINED
    searched = "l0" in cfgs[0]  # the coefficient was found for each layer
    used |= {key: _span(cfgs) if key == "l1" and searched else _one(key, [cfg[key] for cfg in cfgs]) for key in settings}
    used |= {} if settings else {"training": "elsewhere: the dictionaries were given"}
    places = {
        "Table 2": VALUES["table2"].get(model, {}),
        "Algorithm 1": VALUES["algorithm1"],
        "section 5.2": VALUES["section5.2"] | VALUES["section5.2_of_a_model"].get(model, {}),
    }
    return [{"model": model, **beside(key, value, places)} for key, value in used.items()]


def _span(cfgs: list[dict]) -> str:
    """The least and the greatest of the coefficients that were found for one L0."""
    values = [cfg["l1"] for cfg in cfgs]
    return f"{min(values):.3g} to {max(values):.3g}, for an L0 of {_one('l0', [cfg.get('l0') for cfg in cfgs]):g}"


def _one(key: str, values: list) -> object:
    if any(value != values[0] for value in values):
        raise ValueError(f"the autoencoders differ in {key}: {sorted(map(str, set(values)))}")
    return values[0]

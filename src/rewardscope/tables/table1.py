"""Table 1: the RLHF settings that a run used, beside the paper's (section 5.1)."""

from rewardscope.tables.paper import VALUES, beside

COLUMNS = ["model", "reward", "run", "setting", "used", "paper", "paper_place", "compared"]


def rows(settings: dict, names: dict) -> list[dict]:
    """A row per setting of `PAIR/rlhf/settings.json`, those of the paper's Table 1 first; `names` are their first columns.

    Of another method than the paper's, PPO, each setting but the method stands alone: 64 episodes or a rate of 1e-6 mean something else there.
    """
    if settings["method"] != VALUES["table1"]["method"]:
        theirs = {"method": VALUES["table1"]["method"]}
        return [{**names, **beside(key, value, {"Table 1": theirs})} for key, value in settings.items()]
    order = [*VALUES["table1"], *(key for key in settings if key not in VALUES["table1"])]
    return [{**names, **beside(key, settings[key], {"Table 1": VALUES["table1"]})} for key in order]

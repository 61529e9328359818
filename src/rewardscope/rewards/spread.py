"""Does a reward differ from document to document? One that does not leaves tables empty, and tuning has nothing to learn."""

from rewardscope.rewards.rewards import Reward

SEEN = 200  # documents that tell


def ends(reward: Reward, texts: list[str]) -> tuple[float, float]:
    """The lowest and the highest reward of the first 200 texts."""
    earned = reward(texts[:SEEN])
    return min(earned), max(earned)


def doubt(name: str, lowest: float, highest: float, documents: int) -> str | None:
    """What to say of a reward that is the same for every document."""
    if lowest < highest:
        return None
    same = f"the reward {name} is the same, {lowest:g}, for each of the first {min(documents, SEEN)} train documents"
    return f"{same}: reward_* in tables/table4.csv and tables/probe.csv are empty"

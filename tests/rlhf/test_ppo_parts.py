"""PPO's small parts by hand: the KL controller, clipping, prompts, pads, what the reward module and the critic see."""

import copy
import math

import pytest
import tiny
import tiny_tokenizers
import torch
from ppo_runs import tokenizer_with

from rewardscope.errors import UserError
from rewardscope.models import models
from rewardscope.rlhf.ppo import RewardModule, ValueModel, adapted_kl, clip_before_step, pad_token, prompts


@pytest.mark.parametrize(
    ("kl", "factor"),
    [
        (6.0, 1.0),  # on target
        (6.6, 1 + 0.1 * 64 / 10_000),  # 10 % above
        (5.7, 1 - 0.05 * 64 / 10_000),
        (7.2, 1 + 0.2 * 64 / 10_000),
        (60.0, 1 + 0.2 * 64 / 10_000),  # clipped at 20 %
        (0.0, 1 - 0.2 * 64 / 10_000),
        (-3.0, 1 - 0.2 * 64 / 10_000),
    ],
)
def test_adapted_kl(kl, factor):
    assert adapted_kl(0.05, kl, episodes=64, target=6.0, horizon=10_000) == pytest.approx(0.05 * factor, rel=1e-12)
    assert adapted_kl(2.0, kl, episodes=64, target=6.0, horizon=10_000) == pytest.approx(2 * factor, rel=1e-12)


def test_clip_before_step():
    """The norm is that of all parameters of all groups together: 3, 4 and 12 have norm 13."""
    for max_norm, factor in ((1.0, 1 / 13), (6.5, 0.5), (20.0, 1.0)):
        parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(3))]
        optimizer = torch.optim.SGD([{"params": parameters[:1]}, {"params": parameters[1:]}], lr=1.0)
        clip_before_step(optimizer, max_norm)
        parameters[0].grad, parameters[1].grad = torch.tensor([3.0, -4.0]), torch.tensor([12.0])
        optimizer.step()
        moved = torch.cat([p.detach() for p in parameters])
        torch.testing.assert_close(moved, -factor * torch.tensor([3.0, -4.0, 12.0, 0.0, 0.0, 0.0]), rtol=1e-5, atol=0)


def test_prompts():
    texts, tokenizer = list(tiny.texts()), tiny.tokenizer()
    long = {tuple(tokenizer(text)["input_ids"][:9]): len(text) for text in texts}
    found = prompts(texts, tokenizer, 400, {"prompt_tokens": [2, 9], "prompt_characters": 100}, seed=1)
    assert len(found) == 400 and {len(prompt) for prompt in found} == set(range(2, 10))
    sources = [[length for doc, length in long.items() if doc[: len(prompt)] == tuple(prompt)] for prompt in found]
    assert all(source and max(source) > 100 for source in sources)  # each opens a document that is long enough
    nine = {tuple(prompt) for prompt in found if len(prompt) == 9}
    assert nine <= {doc for doc, length in long.items() if length > 100} and len(nine) > 10
    assert min(length for length in long.values()) <= 100  # there are others
    again = {"prompt_tokens": [2, 9], "prompt_characters": 100}
    assert found == prompts(texts, tokenizer, 400, again, seed=1) != prompts(texts, tokenizer, 400, again, seed=2)
    assert {len(prompt) for prompt in prompts(texts, tokenizer, 20, {**again, "prompt_tokens": [3, 3]}, seed=1)} == {3}
    with pytest.raises(UserError, match="^no train document has 1000 characters and 9 tokens to cut a prompt from$"):
        prompts(texts, tokenizer, 4, {"prompt_tokens": [2, 9], "prompt_characters": 1000}, seed=1)
    with pytest.raises(UserError, match="^no train document has 1 characters and 900 tokens "):
        prompts(texts, tokenizer, 4, {"prompt_tokens": [2, 900], "prompt_characters": 1}, seed=1)


@pytest.mark.parametrize("pad", [None, "<|endoftext|>"])
def test_pad_token(pad):
    texts = list(tiny.texts())
    assert pad_token(tiny.tokenizer(), 320, texts) == 1  # its own
    tokenizer = tokenizer_with(pad)
    assert pad_token(tokenizer, 320, texts) == 300  # the first embedding row without a token
    found = pad_token(tokenizer, 300, texts)  # none: a token that no text uses
    used = {token for text in texts for token in tokenizer(text)["input_ids"]}
    assert 0 < found < 300 and found not in used
    everything = [*texts, *(tokenizer.decode([token]) for token in range(300))]
    unused = set(range(1, 300)) - {token for text in everything for token in tokenizer(text)["input_ids"]}
    assert pad_token(tokenizer, 300, everything) in unused  # bytes that are no characters by themselves


@pytest.mark.parametrize("other", ["bos_token", "eos_token", "unk_token"])
def test_a_pad_that_is_another_special_token(other):
    """It would be taken out of the texts that the model and the reward read."""
    tokenizer = tokenizer_with("<|padding|>")
    setattr(tokenizer, other, "<|padding|>")
    assert pad_token(tokenizer, 320, list(tiny.texts())) == 300


def test_ids_with_a_hole():
    """Of ten rows nine have tokens, the last one too: it is none to spare."""

    class Holed:
        pad_token_id, eos_token_id, bos_token_id, unk_token_id, all_special_ids = None, 0, None, None, [0]

        def __len__(self):
            return 9

        def __call__(self, texts):
            return {"input_ids": [[1, 2, 3, 9], [4, 6, 7]]}

        def get_vocab(self):
            return {f"t{i}": i for i in range(10) if i != 5}

    assert pad_token(Holed(), 10, ["a", "b"]) == 8


def test_no_pad_token():
    class Full:
        """Eight tokens, all in use."""

        pad_token_id, eos_token_id, bos_token_id, unk_token_id, all_special_ids = None, 0, None, None, [0]

        def get_vocab(self):
            return dict(zip("abcdefgh", range(8), strict=True))

        def __len__(self):
            return 8

        def __call__(self, texts):
            return {"input_ids": [[1, 2, 3], [4, 5, 6, 7]]}

    with pytest.raises(UserError, match="^the tokenizer has no pad token and every other token occurs in the corpus; give it a pad token$"):
        pad_token(Full(), 8, ["a", "b"])


def rows_of(*texts: str, width: int) -> torch.Tensor:
    """Rows padded on the left by 1, as prompts are."""
    ids = [tiny.tokenizer()(text)["input_ids"] for text in texts]
    return torch.tensor([[1] * (width - len(doc)) + doc for doc in ids])


def test_texts_of_the_reward():
    end = tiny.tokenizer()(" bad film")["input_ids"]
    rest = torch.tensor([[*end, 0, 1], [*end, 1, 1]])  # ended by the end token, or not
    ids = torch.cat([rows_of("the film", "a", width=9), rest], dim=1)
    assert RewardModule(len, tiny.tokenizer(), 1, 0).texts(ids) == ["the film bad film", "a bad film"]
    assert RewardModule(len, tiny.tokenizer(), 1, 9).texts(ids) == [" bad film", " bad film"]
    llama = tiny_tokenizers.FAMILIES["llama"](list(tiny.texts()))
    begin, then = (llama(text, add_special_tokens=False)["input_ids"] for text in ("a bad", "film"))
    row = torch.tensor([[*begin, *then]])
    assert RewardModule(len, llama, 2, len(begin)).texts(row) == [" film"] and RewardModule(len, llama, 2, 0).texts(row) == ["a bad film"]
    pad = tiny.tokenizer()("!")["input_ids"][0]  # a token that serves as padding is no text
    assert RewardModule(len, tiny.tokenizer(), pad, 0).texts(torch.where(ids == 1, pad, ids)) == ["the film bad film", "a bad film"]


class Letters:
    """A tokenizer of eight letters, none of them special."""

    def batch_decode(self, rows, **_):
        return ["".join("abcdefgh"[token] for token in row) for row in rows]


def test_scores():
    """What TRL does: overwrites padding by 0, asks the backbone, maps its last hidden state, reads one position a row."""
    asked = []
    module = RewardModule(lambda texts: [asked.append(texts) or float(len(text)) for text in texts], Letters(), 7, 0)
    ids = torch.tensor([[7, 7, 7, 1, 2], [7, 0, 3, 0, 0], [5, 4, 6, 7, 7]])
    backbone, mask = getattr(module, module.base_model_prefix), ids != 7
    output = backbone(input_ids=ids.masked_fill(~mask, 0), attention_mask=mask, position_ids=None, output_hidden_states=True)
    scores = module.score(output.hidden_states[-1])
    assert asked[0] == ["bc", "adaa", "feg"]  # "a" is token 0
    assert scores.shape == (3, 5, 1) and scores.dtype == torch.float32
    assert (scores[..., 0] == torch.tensor([[2.0], [4.0], [3.0]])).all()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_reward_that_is_no_number(value):
    module = RewardModule(lambda texts: [1.0, value], tiny.tokenizer(), 1, 0)
    with pytest.raises(UserError, match="^the reward function returned a number that is not finite$"):
        module.score(rows_of("a", "b", width=2))


def test_the_critic_starts_at_zero():
    base = models.load(tiny.checkpoint("gpt_neox"))
    critic = ValueModel(copy.deepcopy(base.base_model), tiny.WIDTH)
    backbone = getattr(critic, critic.base_model_prefix)
    with torch.no_grad():
        state = backbone(input_ids=torch.tensor([[5, 6, 7]]), output_hidden_states=True).hidden_states[-1]
        assert (critic.score(state) == torch.zeros(1, 3, 1)).all()

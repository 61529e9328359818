"""Does a reward classifier tell good documents from bad ones, also in texts as short as those that RLHF shows it?"""

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rewardscope.rewards.logits import logits

DOCUMENTS = 2000  # test documents that are enough: an interval of at most 0.045


def measure(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, label: int, test: pd.DataFrame, prefix: int) -> dict:
    """Accuracy on the first test documents, with a 95 % Wilson interval, whole and cut to their first `prefix` tokens.

    A classifier says positive where its logit of `label` is the largest (of a single output: above 0). `reward` is
    that logit's mean and standard deviation over documents. Without labels of 0 and 1 the accuracies are None.
    """
    test = test[:DOCUMENTS]
    known = "label" in test and set(test["label"]) <= {0, 1}
    result: dict = {"documents": len(test), "prefix_tokens": prefix}
    for name, length in (("", None), ("prefix_", prefix + tokenizer.num_special_tokens_to_add())):
        outputs = logits(test["text"].tolist(), model, tokenizer, length).numpy()
        positive = outputs.argmax(axis=1) == label if outputs.shape[1] > 1 else outputs[:, 0] > 0
        accuracy = low = high = None
        if known:
            right = int(np.sum(positive == (test["label"] == 1)))
            accuracy = right / len(test)
            low, high = binomtest(right, len(test)).proportion_ci(method="wilson")
        result |= {f"{name}accuracy": accuracy, f"{name}ci_low": low, f"{name}ci_high": high}
        result |= {f"{name}reward_mean": float(outputs[:, label].mean()), f"{name}reward_sd": float(outputs[:, label].std())}
    return result

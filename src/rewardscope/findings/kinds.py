"""Names of the kinds of contexts, and other words, as tables have them."""

WITH, WITHOUT = "with the reward", "two checkpoints"  # modes
FEATURES, SHARED, DIFFERENCE, CROSSCODER = "features", "shared features", "difference features", "crosscoder features"
DIRECTIONS, LAST_WORDS, TOKENS, ACTIVATION = "random directions", "last words", "tokens", "activation difference"
TOPICS, LOGITS, LOG_ODDS = "logit topics", "logit difference", "log-odds of words"
JOINT = {
    "shared": SHARED,
    "difference": DIFFERENCE,
    "crosscoder": CROSSCODER,
}  # a dictionary of both sides (`sae.joint`, `sae.crosscoder`) -> its features
WITHOUT_CONTEXTS = {LOGITS, LOG_ODDS}  # scored in standard errors of a mean, which no context's score is to be compared with
NOT_GIVEN = "no reward was given"  # why a pair without one has no list with the reward

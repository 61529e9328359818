"""Overlays, and the line that `load` gives for each without its "config: "; the tests of every day take one of a kind."""

import re

TWO_PAIRS = "pairs: [{model: tiny, reward: utility, corpus: reviews}, {model: tiny, reward: utility, corpus: %s}]"
SMALL = "models: {tiny: {pretrain: {layers: 4, context: 64, tokens: 32}}}\n"
FOLDERS = "sae_recipes: {theirs: {%sgiven: {layer1: {base: [a, b], rlhf: [c, d]}}}}\n"
GIVEN = FOLDERS % "" + "recipe: theirs\nlayers: [1]\nsae_seeds: 1\nruns: 1\npairs: [{model: tiny, reward: utility, corpus: reviews}]\n"

# (an overlay, the line that it gives without "config: ")
TYPES = [
    ("rlhf: {learning_rat: 0.1}", "rlhf.learning_rat is not a key; did you mean rlhf.learning_rate?"),
    ("pick: {top: 1}", "pick is not a key; did you mean picks?"),
    ("picks: {tip: 1}", "picks.tip is not a key; did you mean picks.top?"),
    ("features: {zzz: 1}", "features.zzz is not a key; known: top_k, min_fires, null_draws"),
    ("features: {1: 1}", "features[1] is not a key; known: top_k, min_fires, null_draws"),
    ('features: {"a\\nb": 1}', "features.'a\\nb' is not a key; known: top_k, min_fires, null_draws"),
    ("models: {tiny: {pretrain: {head: 4}}}", "models.tiny.pretrain.head is not a key; did you mean models.tiny.pretrain.heads?"),
    ("models: {tiny: {lik: tiny}}", "models.tiny.lik is not a key; did you mean models.tiny.like?"),
    ("pairs: [{model: tiny, reward: utility, corpus: reviews, rhlf: x}]", "pairs[0].rhlf is not a key; did you mean pairs[0].rlhf?"),
    ("rewards: {utility: {kll: 1}}", "rewards.utility.kll is not a key; did you mean rewards.utility.kl?"),
    ("rewards: {mine: {wrods: vader}}", "rewards.mine.wrods is not a key; did you mean rewards.mine.words?"),
    ("sae_recipes: {untied: {epoch: 1}}", "sae_recipes.untied.epoch is not a key; did you mean sae_recipes.untied.epochs?"),
    ("sae_recipes: {other: {tied: true}}", "sae_recipes.other.l1_on is missing; config.yaml says what it is (and 5 more)"),
    ("pairs: [{model: tiny, reward: utility}]", "pairs[0].corpus is missing; config.yaml says what it is"),
    ("runs: 1.0", "runs is 1.0; it must be a whole number"),
    ("runs: true", "runs is true; it must be a whole number"),
    ("runs: '3'", "runs is the text 3; it must be a whole number"),
    ("runs:", "runs is empty; it must be a whole number"),
    ("rlhf: {kl: [1]}", "rlhf.kl is a list of 1; it must be a number"),
    ("rlhf: {kl: true}", "rlhf.kl is true; it must be a number"),
    ("rlhf: {learning_rate: 1e-4}", "rlhf.learning_rate is the text 1e-4; it must be a number (YAML needs a point: 1.0e-4)"),
    ("rlhf: 3", "rlhf is 3; it must be a map"),
    ("rewards: [1, 2]", "rewards is a list of 2; it must be a map"),
    ("rewards: {utility: vader}", "rewards.utility is the text vader; it must be a map"),
    ("models: {tiny: }", "models.tiny is empty; it must be a map"),
    ("sae_recipes: {paper: {tied: 1}}", "sae_recipes.paper.tied is 1; it must be true or false"),
    ("activations: {keep: 'true'}", "activations.keep is the text true; it must be true or false"),
    ("recipe: 7", "recipe is 7; it must be text"),
    ("pairs: {model: tiny}", "pairs is a map; it must be a list"),
    ("pairs: [tiny]", "pairs[0] is the text tiny; it must be a map"),
    ("layers: 3", "layers is 3; it must be a list"),
    ("rewards: {r: {classifier: org/name}}", "rewards.r.classifier is the text org/name; it must be a map"),
    ("rewards: {r: {classifier: {postive: pos}}}", "rewards.r.classifier.postive is not a key; did you mean rewards.r.classifier.positive?"),
    (
        "rewards: {r: {classifier: {train: {corpus: reviews}}}}",
        "rewards.r.classifier.train.layers is missing; config.yaml says what it is (and 7 more)",
    ),
]
RANGES = [
    ("models: {tiny: {sae: {widths: [0, 8]}}}", "models.tiny.sae.widths[0] is 0; it must be at least 1"),
    ("models: {tiny: {sae: {widths: [1, 2, 3]}}}", "models.tiny.sae.widths is a list of 3; it must have 2 entries"),
    ("models: {tiny: {sae: {widths: [1]}}}", "models.tiny.sae.widths[1] is missing; config.yaml says what it is"),
    ("models: {tiny: {sae: {l1: 0}}}", "models.tiny.sae.l1 is 0; it must be more than 0"),
    ("models: {tiny: {pretrain: {layers: 0}}}", "models.tiny.pretrain.layers is 0; it must be at least 1"),
    ("models: {tiny: {pretrain: {vocabulary: 200}}}", "models.tiny.pretrain.vocabulary is 200; it must be at least 258"),
    ("models: {tiny: {pretrain: {architecture: llama}}}", "models.tiny.pretrain.architecture is llama; known: gpt_neox"),
    ("models: {tiny: {pretrain: {learning_rate: -0.1}}}", "models.tiny.pretrain.learning_rate is -0.1; it must be more than 0"),
    ("corpora: {reviews: {opinions: books}}", "corpora.reviews.opinions is books; known: films"),
    ("corpora: {reviews: {held: 0}}", "corpora.reviews.held is 0; it must be more than 0"),
    ("corpora: {reviews: {held: 1.0}}", "corpora.reviews.held is 1.0; it must be less than 1"),
    ("corpora: {reviews: {generate: {train: 0}}}", "corpora.reviews.generate.train is 0; it must be at least 1"),
    ("corpora: {reviews: {max_documents: {test: 0}}}", "corpora.reviews.max_documents.test is 0; it must be at least 1"),
    ("rlhf: {temperature: 0}", "rlhf.temperature is 0; it must be more than 0"),
    ("rlhf: {learning_rate: 0}", "rlhf.learning_rate is 0; it must be more than 0"),
    ("rlhf: {max_grad_norm: 0.0}", "rlhf.max_grad_norm is 0.0; it must be more than 0"),
    ("rlhf: {kl: -0.5}", "rlhf.kl is -0.5; it must be at least 0"),
    ("rlhf: {kl: .nan}", "rlhf.kl is nan; it must be a finite number"),
    ("rlhf: {max_kl: .inf}", "rlhf.max_kl is inf; it must be a finite number"),
    (f"rlhf: {{kl: {10**400}}}", "rlhf.kl is a huge number; it must be a number"),
    (f"rlhf: {{batch: {10**400}}}", "rlhf.batch is a huge number; it must be at most 2147483647"),
    (f"rlhf: {{kl: 0x{'f' * 5000}}}", "rlhf.kl is a huge number; it must be a number"),  # Python refuses to print it
    ("rlhf: {reward_on: prefix}", "rlhf.reward_on is prefix; known: both or completion"),
    ("rewards: {sentiment: {classifier: {train: {tokens: 8}}}}", "rewards.sentiment.classifier.train.tokens is 8; it must be at least 16"),
    ("rlhf: {prompt_tokens: [0, 4]}", "rlhf.prompt_tokens[0] is 0; it must be at least 1"),
    ("rewards: {utility: {kl: -1}}", "rewards.utility.kl is -1; it must be at least 0"),
    ("sae_recipes: {untied: {l1: 0}}", "sae_recipes.untied.l1 is 0; it must be more than 0"),
    ("sae_recipes: {paper: {nested: [0.5]}}", "sae_recipes.paper.nested is [0.5]; it needs k"),
    ("crosscoder: paper", "crosscoder is paper; it must be a recipe with k and tied: false, such as batchtopk"),
    ("sae_recipes: {paper: {k: 128}}", "sae_recipes.paper.k is 128; it must be below models.tiny.sae.widths[0] (128)"),
    (
        "{sae_recipes: {paper: {k: 12}}, targets: [figure4]}",
        "targets has figure4, whose sweep begins with an L1 coefficient, and sae_recipes.paper.k sets none; it must be l1",
    ),
    ("sae_recipes: {paper: {l1_on: both}}", "sae_recipes.paper.l1_on is both; known: activations or weights"),
    ("activations: {at: attention}", "activations.at is attention; known: mlp or residual"),
    ("activations: {dtype: float64}", "activations.dtype is float64; known: float32, bfloat16 or float16"),
    ("activations: {tokens: 1}", "activations.tokens is 1; it must be at least 2"),
    ("completions: {temperature: 0}", "completions.temperature is 0; it must be more than 0"),
    ("device: 'cuda:1'", "device is cuda:1; known: auto, cpu or cuda"),
    ("explainer: gpt-4", "explainer is gpt-4; known: tokens or openai"),
    ("threads: {saes: 0}", "threads.saes is 0; it must be at least 1"),
    ("llm: {budget: -1}", "llm.budget is -1; it must be at least 0"),
    ("llm: {timeout: 0}", "llm.timeout is 0; it must be more than 0"),
    ("llm: {concurrency: 0}", "llm.concurrency is 0; it must be at least 1"),
    ("seed: -1", "seed is -1; it must be at least 0"),
    ("runs: 0", "runs is 0; it must be at least 1"),
    ("sae_seeds: 0", "sae_seeds is 0; it must be at least 1"),
    ("sae_seeds: 60000", "sae_seeds is 60000; it must be at most 1000"),
    ("samples: 0", "samples is 0; it must be at least 1"),
    ("bootstrap: 0", "bootstrap is 0; it must be at least 1"),
    ("sweeps: {side: both}", "sweeps.side is both; known: base or rlhf"),
    ("sweeps: {l1: {activations: [0.0]}}", "sweeps.l1.activations[0] is 0.0; it must be more than 0"),
    ("picks: {top: -1}", "picks.top is -1; it must be at least 0"),
    ("layers: [-1]", "layers[0] is -1; it must be at least 0"),
]
TEXTS = [
    ("results: ''", "results is ''; it must be text without quotes, "),
    ("results: .", "results is .; it must be a folder below this one: a relative path without .."),
    ("results: /tmp/x", "results is /tmp/x; it must be a folder below this one: "),
    ("results: a/../../b", "results is a/../../b; it must be a folder below this one: "),
    ("results: ~/x", "results is '~/x'; it must be a folder below this one: "),
    ('results: "a\\nb"', "results is 'a\\nb'; it must be text without quotes, braces, <, >, $, ` and control characters"),
    ("results: 'a{b}'", "results is 'a{b}'; it must be text without quotes, "),
    ("results: '$HOME'", "results is '$HOME'; it must be text without quotes, "),
    ('cache: "a\\tb"', "cache is 'a\\tb'; it must be text without quotes, "),
    ("cache: 'a`b'", "cache is 'a`b'; it must be text without quotes, "),
    ("llm: {base_url: 'ftp://a/b'}", "llm.base_url is ftp://a/b; it must be http:// or https:// and a server; a key belongs into OPENAI_API_KEY"),
    ("llm: {base_url: 'https://key@a/v1'}", "llm.base_url is https://key@a/v1; it must be http:// or https:// and a server; "),
    ("llm: {model: ' a'}", "llm.model is ' a'; it must be text without spaces around it"),
    ("cache: ' a'", "cache is ' a'; it must be text without spaces around it"),
    ("results: out\ncache: ./out/paid", "cache is ./out/paid; it must lie outside results (out)"),
    ("rewards: {r: {words: a.txt}}", "rewards.r.words is a.txt; it must be vader or a .csv file with the columns word,utility"),
    ("rewards: {r: {function: mine.py}}", "rewards.r.function is mine.py; it must be a Python function as file.py:name"),
    ("rewards: {r: {function: 'mine.py:1'}}", "rewards.r.function is mine.py:1; it must be a Python function as file.py:name"),
    ("rewards: {r: {classifier: {path: 'a>b'}}}", "rewards.r.classifier.path is 'a>b'; it must be text without quotes, "),
    ("rewards: {r: {classifier: {hub: a/b/c}}}", "rewards.r.classifier.hub is a/b/c; it must be a name on the hub, such as org/name"),
    ("corpora: {c: {path: {train: a.zip, test: b.csv}}}", "corpora.c.path.train is a.zip; it must be a .parquet, .csv, .jsonl or .txt file"),
    ("corpora: {c: {hub: {name: 'a/b/c'}}}", "corpora.c.hub.name is a/b/c; it must be a name on the hub, such as org/name"),
    ("models: {m: {hub: ../x, sae: {widths: [1, 2], l1: 1}}}", "models.m.hub is ../x; it must be a name on the hub, such as org/name"),
]
RELATIONS = [
    (
        "targets: []",
        "targets is empty; it must list some of table1, table2, table3, table4, table5, table6, table7, figure3, figure4, section5.3, section6.1, "
        "section6.2, quality, dictionaries, comparison, step4, probe, perplexity, accuracy, scores, findings, crosscoder, causes, methods, "
        "export, report",
    ),
    ("pairs: []", "pairs is empty; it must hold at least one map of model, reward and corpus"),
    ("pairs: [{model: tiny, reward: utillity, corpus: reviews}]", "pairs[0].reward is utillity, which is not under rewards; did you mean utility?"),
    ("pairs: [{model: tin, reward: utility, corpus: reviews}]", "pairs[0].model is tin, which is not under models; did you mean tiny?"),
    ("pairs: [{model: tiny, reward: utility, corpus: xx}]", "pairs[0].corpus is xx, which is not under corpora; known: reviews"),
    ("recipe: papper", "recipe is papper, which is not under sae_recipes; did you mean paper?"),
    ("models: {tiny: {pretrain: {corpus: review}}}", "models.tiny.pretrain.corpus is review, which is not under corpora; did you mean reviews?"),
    (TWO_PAIRS % "reviews", "pairs[1] has the model, reward and corpus of pairs[0]; remove one of them"),
    (
        TWO_PAIRS % "more" + "\ncorpora: {more: {like: reviews}}",
        "pairs[1] differs from pairs[0] only in corpus; give its reward a name of its own, with like: utility",
    ),
    (
        "layers: [0]\ncorpora: {more: {like: reviews}}\nrewards: {other: {like: utility}}\n"
        "pairs: [{model: tiny, reward: utility, corpus: reviews}, {model: tiny, reward: other, corpus: more}]",
        "pairs[1].corpus is more, but model tiny has one corpus when layers are pinned: reviews",
    ),
    ("corpora: {reviews: {hub: {name: a/b}}}", "corpora.reviews has generate and hub; it must have one of generate, path, hub"),
    ("corpora: {c: {text: review}}", "corpora.c has no source; it must have one of generate, path, hub"),
    ("models: {m: {sae: {widths: [1, 2], l1: 1}}}", "models.m has no source; it must have one of pretrain, hub, path"),
    (
        "rewards: {r: {like: utility, classifier: {hub: a/b}}}",
        "rewards.r has words and classifier; it must have one of words, function, classifier, twin_of",
    ),
    ("rewards: {r: {classifier: {}}}", "rewards.r.classifier has no source; it must have one of train, hub, path"),
    ("rewards: {sentiment: {classifier: {hub: a/b}}}", "rewards.sentiment.classifier has train and hub; it must have one of train, hub, path"),
    ("rewards: {r: {classifier: {path: a, revision: b}}}", "rewards.r.classifier.revision is b; it needs hub"),
    (
        "rewards: {sentiment: {classifier: {positive: pos}}}",
        "rewards.sentiment.classifier.positive is pos; it needs hub or path, as one trained here names its own labels",
    ),
    (
        "rewards: {sentiment: {classifier: {train: {d_model: 50, heads: 4}}}}",
        "rewards.sentiment.classifier.train.d_model is 50; it must be a multiple of heads (4)",
    ),
    (
        "rewards: {sentiment: {classifier: {train: {corpus: review}}}}",
        "rewards.sentiment.classifier.train.corpus is review, which is not under corpora; did you mean reviews?",
    ),
    ("rewards: {r: {kl: 1}}", "rewards.r has no source; it must have one of words, function, classifier, twin_of"),
    ("models: {m: {path: a, revision: b, sae: {widths: [1, 2], l1: 1}}}", "models.m.revision is b; it needs hub"),
    (
        "models: {tiny: {sae: {l0: 20}}}",
        "models.tiny.sae has both l1 and l0; it must have one of them (an overlay empties the other: `l1:`)",
    ),
    ("models: {tiny: {sae: {l1: null}}}", "models.tiny.sae has neither l1 nor l0; it must have one of them (an overlay empties the other: `l1:`)"),
    ("models: {tiny: {sae: {l1: null, l0: 0}}}", "models.tiny.sae.l0 is 0; it must be more than 0"),
    (
        "models: {tiny: {sae: {l1: null, l0: 20}}}\ntargets: [figure4]",
        "targets has figure4, whose sweep begins with an L1 coefficient, and models.tiny.sae.l0 sets none; it must be l1",
    ),
    ("models: {tiny: {sae: {widths: [8, 8]}}}", "models.tiny.sae.widths is [8, 8]; it must be the small size, then the large one"),
    ("models: {tiny: {pretrain: {d_model: 100, heads: 3}}}", "models.tiny.pretrain.d_model is 100; it must be a multiple of heads (3)"),
    ("models: {tiny: {pretrain: {tokens: 4096, context: 2048}}}", "models.tiny.pretrain.tokens is 4096; it must be at most context (2048)"),
    ("rlhf: {batch: 60, minibatch: 16}", "rlhf.batch is 60; it must be a multiple of minibatch (16)"),
    ("rewards: {utility: {batch: 60, minibatch: 16}}", "rewards.utility.batch is 60; it must be a multiple of minibatch (16)"),
    ("rlhf: {prompt_tokens: [9, 2]}", "rlhf.prompt_tokens is [9, 2]; it must be the least length, then the greatest"),
    (
        "sae_recipes: {f: {like: paper, tied: true, frozen_decoder: true}}",
        "sae_recipes.f.frozen_decoder is true; it needs tied: false, as the encoder must still learn",
    ),
    (
        FOLDERS % "tied: true, ",
        "sae_recipes.theirs has given and tied; what is given is not trained: write given alone, under a name of its own and without like",
    ),
    (
        FOLDERS % "like: untied, ",
        "sae_recipes.theirs has given and batch_documents; what is given is not trained: write given alone, under a name of its own and without like",
    ),
    ("sae_recipes: {theirs: {given: {}}}", "sae_recipes.theirs.given is empty; it must hold layers, such as layer3"),
    (FOLDERS.replace("layer1", "top1") % "", "sae_recipes.theirs.given.top1 is no layer; its names must be layer0, layer1, ..."),
    (
        FOLDERS.replace("[c, d]", "[c, '{d}']") % "",
        "sae_recipes.theirs.given.layer1.rlhf[1] is '{d}'; it must be text without quotes, braces, <, >, $, ` and control characters",
    ),
    (
        GIVEN.replace("layers: [1]", "layers: []"),
        "layers is empty, but the dictionaries of recipe theirs are given, each for one layer; it must name these, such as [3]",
    ),
    (GIVEN.replace("layers: [1]", "layers: [1, 2]"), "layers names 2, but sae_recipes.theirs.given has no layer2; it must have it"),
    (
        GIVEN.replace("sae_seeds: 1", "sae_seeds: 3"),
        "sae_seeds is 3, but the dictionaries of recipe theirs are given, one of each size; it must be 1",
    ),
    (GIVEN.replace("runs: 1", "runs: 2"), "runs is 2, but the dictionaries of recipe theirs are given for one tuned model; it must be 1"),
    (
        GIVEN.replace("reviews}]", "reviews}, {model: tiny, reward: utility-placebo, corpus: reviews}]"),
        "pairs has 2 entries, but the dictionaries of recipe theirs are given for one base and one tuned model; it must have one",
    ),
    (
        GIVEN.replace("sae_seeds: 1", "sae_seeds: 2").replace("recipe: theirs", "controls: [theirs]"),  # those that stand beside are held to it too
        "sae_seeds is 2, but the dictionaries of recipe theirs are given, one of each size; it must be 1",
    ),
    (
        GIVEN + "targets: [figure4]",
        "targets has figure4, which trains with changes of recipe theirs, whose dictionaries are given; targets must be without it",
    ),
    ("samples: 3", "samples is 3, but explainer tokens is deterministic; it must be 1"),
    ("layers: [1, 1]", "layers is [1, 1]; its numbers must be distinct"),
    ("picks: {top: 0, low: 0}", "picks.top is 0, and so is picks.low; one of them must be at least 1, unless layers pins some"),
    (
        "targets: [table7]",
        "targets has table7, which compares top and low layers; picks.top and picks.low must be at least 1, and layers empty",
    ),
    ("sweeps: {l1: {activations: [], weights: []}}", "sweeps.l1 has no coefficients; activations or weights must list some"),
    ("sweeps: {l1: {models: [tinny]}}", "sweeps.l1.models[0] is tinny, which is not under models; did you mean tiny?"),
    ("models: {tiny: {pretrain: {layers: 4}}}\npicks: {top: 6}", "picks.top + picks.low is 6, but model tiny has 4 layers"),
    ("models: {tiny: {pretrain: {layers: 4}}}\npicks: {top: 2, low: 3}", "picks.top + picks.low is 5, but model tiny has 4 layers"),
    ("models: {tiny: {sae: {widths: [128, 8193]}}}", "models.tiny.sae.widths[1] is 8193; it must be at most 64 times d_model (128)"),
    (
        "targets: [section6.2]\nrewards: {mine: {function: 'a.py:f'}}\npairs: [{model: tiny, reward: mine, corpus: reviews}]",
        "targets has section6.2, but no reward of pairs has a word table; it must have one, or targets be without it",
    ),
    ("targets: [accuracy]", "targets has accuracy, but no reward of pairs is a classifier; it must have one, or targets be without it"),
    (
        "targets: [table3, table6]\nmodels: {more: {like: tiny}}\nsweeps: {tied: {models: [more]}}",
        "targets has table6, but sweeps.tied.models names no model of pairs; it must name one, or be empty for all",
    ),
    (
        "targets: [figure4]\nmodels: {more: {like: tiny}}\nsweeps: {l1: {models: [more]}}",
        "targets has figure4, but sweeps.l1.models names no model of pairs; it must name one, or be empty for all",
    ),
    ("models: {tiny: {pretrain: {layers: 4}}}\nlayers: [0, 4]", "layers[1] is 4, but model tiny has 4 layers, counted from 0"),
    (
        SMALL + "activations: {tokens: 65}\ncompletions: {prefix: 8, new: 8}\nrlhf: {prompt_tokens: [2, 9], response_tokens: 9}",
        "activations.tokens is 65, but model tiny reads at most 64 tokens",
    ),
    (
        SMALL + "activations: {tokens: 64}\ncompletions: {prefix: 60, new: 5}\nrlhf: {prompt_tokens: [2, 9], response_tokens: 9}",
        "completions.prefix + completions.new is 65, but model tiny reads at most 64 tokens",
    ),
    (
        SMALL + "activations: {tokens: 64}\ncompletions: {prefix: 8, new: 8}\nrlhf: {prompt_tokens: [2, 9], response_tokens: 56}",
        "rlhf.prompt_tokens[1] + rlhf.response_tokens is 65, but model tiny reads at most 64 tokens",
    ),
    (
        SMALL + "activations: {tokens: 64}\ncompletions: {prefix: 8, new: 8}\nrlhf: {prompt_tokens: [2, 9], response_tokens: 55}\n"
        "rewards: {utility: {response_tokens: 56}}",
        "rewards.utility.prompt_tokens[1] + rewards.utility.response_tokens is 65, but model tiny reads at most 64 tokens",
    ),
]
LIKES = [
    ("rewards: {r: {like: utilty}}", "rewards.r.like is utilty, which is not under rewards; did you mean utility?"),
    ("rewards: {r: {like: [utility]}}", "rewards.r.like is a list of 1; it must be text, a name under rewards"),
    ("rewards: {r: {like: r}}", "rewards.r.like goes in a circle: r, r"),
    ("sae_recipes: {a: {like: b}, b: {like: c}, c: {like: a}}", "sae_recipes.c.like goes in a circle: a, b, c, a"),
]


def of_a_kind(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first of those lines that are alike but for key, numbers, names and hints."""
    first: dict[str, tuple[str, str]] = {}
    for overlay, line in lines:
        wrong = re.sub(r"(known|did you mean)\b.*", r"\1", line.partition(" ")[2])
        first.setdefault(re.sub(r"[\w./:-]*\d[\w./:-]*", "1", wrong), (overlay, line))
    return list(first.values())

"""Tiny tokenizers of every family, two each, trained on the documents that a test gives."""

import json
from collections.abc import Callable, Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from rewardscope.rewards.classifier import train_tokenizer as train_wordpiece

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _train(core: Tokenizer, texts: Iterable[str], trainer) -> Tokenizer:
    core.train_from_iterator(texts, trainer)
    return core


def byte_level(texts: list[str], prefix_space: bool, trim: bool) -> PreTrainedTokenizerFast:
    """As GPT-NeoX's (offsets hold the space before a word) or, trimmed, GPT-2's and RoBERTa's (they leave it out)."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space), decoders.ByteLevel()
    core.post_processor = processors.ByteLevel(trim_offsets=trim)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=_train(core, texts, trainer), eos_token="<|end|>")


def llama(texts: list[str]) -> PreTrainedTokenizerFast:
    """As Llama 2's: BPE over spaces made visible, unknown letters as bytes, BOS before every text, no pad."""
    core = Tokenizer(models.BPE())
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    learnt = _train(core, texts, trainers.BpeTrainer(vocab_size=100, show_progress=False)).to_str()
    model = json.loads(learnt)["model"]
    tokens = ["<unk>", "<s>", "</s>", *BYTES, *sorted(model["vocab"], key=model["vocab"].get)]
    vocabulary, merges = {token: i for i, token in enumerate(tokens)}, [tuple(pair) for pair in model["merges"]]
    whole = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    whole.normalizer = core.normalizer
    whole.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    whole.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=whole, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def metaspace_bpe(texts: list[str]) -> PreTrainedTokenizerFast:
    """SentencePiece's BPE without bytes: letters that it does not know are `<unk>`; no EOS, no BOS, no pad."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(prepend_scheme="first"), decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=100, special_tokens=["<unk>"], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=_train(core, texts, trainer), unk_token="<unk>")


def unigram(texts: list[str]) -> PreTrainedTokenizerFast:
    """SentencePiece's unigram model with NFKC and an end token behind every text, as T5's; no BOS, no pad."""
    core = Tokenizer(models.Unigram())
    core.normalizer, core.pre_tokenizer, core.decoder = normalizers.NFKC(), pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False)
    _train(core, texts, trainer)
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", eos_token="</s>")


def wordpiece(texts: list[str]) -> PreTrainedTokenizerFast:
    """DistilBERT's, lower case: no token holds a space, and accents are dropped."""
    return train_wordpiece(texts, 200, 64)


def cased(texts: list[str]) -> PreTrainedTokenizerFast:
    """WordPiece that keeps case and accents, and has no special token but `[UNK]`."""
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(lowercase=False), pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=_train(core, texts, trainer), unk_token="[UNK]")


FAMILIES: dict[str, Callable[[list[str]], PreTrainedTokenizerFast]] = {
    "gpt-neox": lambda texts: byte_level(texts, prefix_space=False, trim=False),
    "gpt-2": lambda texts: byte_level(texts, prefix_space=False, trim=True),
    "roberta": lambda texts: byte_level(texts, prefix_space=True, trim=True),
    "prefix space": lambda texts: byte_level(texts, prefix_space=True, trim=False),
    "llama": llama,
    "metaspace bpe": metaspace_bpe,
    "unigram": unigram,
    "wordpiece": wordpiece,
    "cased wordpiece": cased,
}

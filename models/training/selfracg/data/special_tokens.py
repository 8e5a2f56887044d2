"""The special tokens of the project's own tokenizer, in the order of their ids."""

from __future__ import annotations

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fragment|>",
    "<|path|>",
    "<|pad|>",
)
END, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE, FRAGMENT, PATH, PAD = range(len(SPECIAL_TOKENS))

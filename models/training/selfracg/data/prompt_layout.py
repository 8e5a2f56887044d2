"""Prompt layouts: how each family of code models writes fragments, paths and the code around the cursor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

MAX_PATH_TOKENS = 24
# Whether prompts show the code after the cursor, unless an option says otherwise. The default model writes better without it.
FILL_IN_MIDDLE = False


def is_special(piece: str) -> bool:
    """Whether a layout's piece is written as special tokens are: <...>, and neither a slot nor text."""
    return len(piece) > 2 and piece.startswith("<") and piece.endswith(">")


@dataclass(frozen=True)
class Layout:
    """How a family of models writes prompts: special tokens, and pieces in which {slots} are filled in."""

    end_of_text: str
    pad: str
    fragment: tuple[str, ...]
    left_to_right: tuple[str, ...]
    fill_in_middle: tuple[str, ...]
    query: tuple[str, ...]
    fragment_embedding: tuple[str, ...]
    stop_tokens: tuple[str, ...]

    def special_tokens(self) -> list[str]:
        """Every special token that the layout needs, each once."""
        pieces = (*self.fragment, *self.left_to_right, *self.fill_in_middle, *self.query, *self.fragment_embedding)
        special = [p for p in (*pieces, *self.stop_tokens, self.end_of_text, self.pad) if is_special(p)]
        return list(dict.fromkeys(special))

    def to_json(self, fill_in_middle: bool = True) -> dict[str, Any]:
        """The `prompt` of model.json; without `fill_in_middle` every prompt is the left-to-right one."""
        return {
            "fragment": list(self.fragment),
            "leftToRight": list(self.left_to_right),
            **({"fillInMiddle": list(self.fill_in_middle)} if fill_in_middle else {}),
            "query": list(self.query),
            "fragmentEmbedding": list(self.fragment_embedding),
            "fragmentOrder": "best-last",
            "stopTokens": list(self.stop_tokens),
            "maxPathTokens": MAX_PATH_TOKENS,
        }


# The project's own models: fragments and paths are marked by tokens of their own.
OWN = Layout(
    end_of_text="<|endoftext|>",
    pad="<|pad|>",
    fragment=("<|fragment|>", "{path}", "\n", "{text}", "\n"),
    left_to_right=("<|path|>", "{path}", "\n", "{prefix}"),
    fill_in_middle=(
        "<|fim_prefix|>",
        "<|path|>",
        "{path}",
        "\n",
        "{prefix}",
        "<|fim_suffix|>",
        "{suffix}",
        "<|fim_middle|>",
    ),
    query=("<|path|>", "{path}", "\n", "{imports}", "{prefix}"),
    fragment_embedding=("<|fragment|>", "{path}", "\n", "{text}", "\n", "<|fragment|>"),
    stop_tokens=(
        "<|endoftext|>",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        "<|fragment|>",
        "<|path|>",
        "<|pad|>",
    ),
)
# Qwen2.5-Coder: files of a repository follow one another after <|file_sep|>, as in its own training.
QWEN_CODER = Layout(
    end_of_text="<|endoftext|>",
    pad="<|endoftext|>",
    fragment=("<|file_sep|>", "{path}", "\n", "{text}", "\n"),
    left_to_right=("<|file_sep|>", "{path}", "\n", "{prefix}"),
    fill_in_middle=(
        "<|file_sep|>",
        "{path}",
        "\n",
        "<|fim_prefix|>",
        "{prefix}",
        "<|fim_suffix|>",
        "{suffix}",
        "<|fim_middle|>",
    ),
    query=("<|file_sep|>", "{path}", "\n", "{imports}", "{prefix}"),
    fragment_embedding=("<|file_sep|>", "{path}", "\n", "{text}", "\n", "<|file_sep|>"),
    stop_tokens=(
        "<|endoftext|>",
        "<|file_sep|>",
        "<|repo_name|>",
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        "<|fim_pad|>",
    ),
)
# StarCoder's tokens, which Llama-architecture models such as Granite Code use too.
STAR_CODER = Layout(
    end_of_text="<|endoftext|>",
    pad="<|endoftext|>",
    fragment=("<filename>", "{path}", "\n", "{text}", "\n"),
    left_to_right=("<filename>", "{path}", "\n", "{prefix}"),
    fill_in_middle=(
        "<fim_prefix>",
        "<filename>",
        "{path}",
        "\n",
        "{prefix}",
        "<fim_suffix>",
        "{suffix}",
        "<fim_middle>",
    ),
    query=("<filename>", "{path}", "\n", "{imports}", "{prefix}"),
    fragment_embedding=("<filename>", "{path}", "\n", "{text}", "\n", "<filename>"),
    stop_tokens=(
        "<|endoftext|>",
        "<filename>",
        "<reponame>",
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "<fim_pad>",
    ),
)
# DeepSeek-Coder has no token for paths: files of a repository follow one another, each after its path as a comment.
DEEPSEEK_CODER = Layout(
    end_of_text="<｜end▁of▁sentence｜>",
    pad="<｜end▁of▁sentence｜>",
    fragment=("#", "{path}", "\n", "{text}", "\n"),
    left_to_right=("#", "{path}", "\n", "{prefix}"),
    fill_in_middle=("<｜fim▁begin｜>", "#", "{path}", "\n", "{prefix}", "<｜fim▁hole｜>", "{suffix}", "<｜fim▁end｜>"),
    query=("#", "{path}", "\n", "{imports}", "{prefix}"),
    fragment_embedding=("#", "{path}", "\n", "{text}", "\n", "<｜end▁of▁sentence｜>"),
    stop_tokens=(
        "<｜end▁of▁sentence｜>",
        "<｜begin▁of▁sentence｜>",
        "<｜fim▁begin｜>",
        "<｜fim▁hole｜>",
        "<｜fim▁end｜>",
    ),
)
LAYOUTS = (OWN, QWEN_CODER, STAR_CODER, DEEPSEEK_CODER)


def layout_for(tokenizer_json: str) -> Layout:
    """The first layout whose special tokens the tokenizer has; ValueError names what the best candidate lacks."""
    # Qwen2.5-Coder's own file does not call its FIM and file tokens special.
    added = {entry["content"] for entry in json.loads(tokenizer_json).get("added_tokens", [])}
    missing = {layout: [t for t in layout.special_tokens() if t not in added] for layout in LAYOUTS}
    for layout, lacks in missing.items():
        if not lacks:
            return layout
    fewest = min(missing.values(), key=len)
    raise ValueError(
        f"expected a tokenizer with the fill-in-the-middle tokens of a known code model, found it without {' '.join(fewest)}: "
        "use a checkpoint trained for fill-in-the-middle, or add its layout to prompt_layout.py"
    )


def product_tokenizer(tokenizer_json: str) -> str:
    """The tokenizer.json as training and the product read it: every added token is special, so that none comes from text.

    Raises ``ValueError`` for a tokenizer that is not byte-level BPE, the only kind that the product reads.
    """
    content = json.loads(tokenizer_json)
    kind, decoder = (content.get("model") or {}).get("type"), (content.get("decoder") or {}).get("type")
    if kind != "BPE" or decoder != "ByteLevel":
        raise ValueError(
            f"expected a byte-level BPE tokenizer, found model {kind} with decoder {decoder}: the product reads no other kind"
        )
    added = content.get("added_tokens", [])
    if all(entry.get("special") for entry in added):
        return tokenizer_json
    for entry in added:
        entry["special"] = True
    return json.dumps(content, ensure_ascii=False)


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a file as ``product_tokenizer`` has it."""
    return Tokenizer.from_str(product_tokenizer(path.read_text(encoding="utf-8")))


def token_count(tokenizer_json: str) -> int:
    """Number of ids up to the highest that stands for a token."""
    content = json.loads(tokenizer_json)
    ids = [*content["model"]["vocab"].values(), *(entry["id"] for entry in content.get("added_tokens", []))]
    return 1 + max(ids)

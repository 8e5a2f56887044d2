"""Prompt layouts: how each family of code models writes fragments, paths and the code around the cursor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from selfracg.data.special_tokens import SPECIAL_TOKENS

MAX_PATH_TOKENS = 24
# Whether prompts show the code after the cursor, unless an option says otherwise. The default model writes better without it.
FILL_IN_MIDDLE = False


def is_special(piece: str) -> bool:
    """Whether a layout's piece is written as special tokens are: <...>, and neither a slot nor text."""
    return len(piece) > 2 and piece.startswith("<") and piece.endswith(">")


@dataclass(frozen=True)
class Layout:
    """How a family of models writes prompts: what stands before each part. Pieces in {braces} are filled in."""

    end_of_text: str
    pad: str
    # Before a fragment's path, before the path of the file that is written, and behind a fragment that is embedded.
    fragment_mark: str
    file_mark: str
    embedding_end: str
    # Before the code in front of the cursor, before the code behind it, and before what is to be written.
    middle_marks: tuple[str, str, str]
    stop_tokens: tuple[str, ...]
    # Shows the code behind the cursor as a file of its own before the file that is written, in place of filling in: its path is
    # followed by " (below)". A model that is only asked for the end of a line copies less and ends words better this way.
    code_below_first: bool = False

    def to_json(self, fill_in_middle: bool = True) -> dict[str, Any]:
        """The `prompt` of model.json; without `fill_in_middle` every prompt is the left-to-right one."""
        fragment = [self.fragment_mark, "{path}", "\n", "{text}", "\n"]
        file = [self.file_mark, "{path}", "\n"]
        prefix, suffix, middle = self.middle_marks
        both_sides = (
            [self.file_mark, "{path}", " (below)\n", "{suffix}", "\n", *file, "{prefix}"]
            if self.code_below_first
            else [prefix, *file, "{prefix}", suffix, "{suffix}", middle]
        )
        return {
            "fragment": fragment,
            "leftToRight": [*file, "{prefix}"],
            **({"fillInMiddle": both_sides} if fill_in_middle else {}),
            "query": [*file, "{imports}", "{prefix}"],
            "fragmentEmbedding": [*fragment, self.embedding_end],
            "fragmentOrder": "best-last",
            "stopTokens": list(self.stop_tokens),
            "maxPathTokens": MAX_PATH_TOKENS,
        }

    def special_tokens(self) -> list[str]:
        """Every special token that the layout needs, each once."""
        marks = (self.fragment_mark, self.file_mark, *self.middle_marks, self.embedding_end)
        special = [p for p in (*marks, *self.stop_tokens, self.end_of_text, self.pad) if is_special(p)]
        return list(dict.fromkeys(special))


# The project's own models: fragments and paths are marked by tokens of their own.
OWN = Layout(
    end_of_text="<|endoftext|>",
    pad="<|pad|>",
    fragment_mark="<|fragment|>",
    file_mark="<|path|>",
    embedding_end="<|fragment|>",
    middle_marks=("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    stop_tokens=SPECIAL_TOKENS,
)
# Qwen2.5-Coder: files of a repository follow one another after <|file_sep|>, as in its own training.
QWEN_CODER = Layout(
    end_of_text="<|endoftext|>",
    pad="<|endoftext|>",
    fragment_mark="<|file_sep|>",
    file_mark="<|file_sep|>",
    embedding_end="<|file_sep|>",
    middle_marks=("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    stop_tokens=tuple(
        f"<|{name}|>"
        for name in ("endoftext", "file_sep", "repo_name", "fim_prefix", "fim_suffix", "fim_middle", "fim_pad")
    ),
    code_below_first=True,
)
# StarCoder's tokens, which Llama-architecture models such as Granite Code use too.
STAR_CODER = Layout(
    end_of_text="<|endoftext|>",
    pad="<|endoftext|>",
    fragment_mark="<filename>",
    file_mark="<filename>",
    embedding_end="<filename>",
    middle_marks=("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    stop_tokens=(
        "<|endoftext|>",
        *(f"<{name}>" for name in ("filename", "reponame", "fim_prefix", "fim_suffix", "fim_middle", "fim_pad")),
    ),
)
# DeepSeek-Coder has no token for paths: files of a repository follow one another, each after its path as a comment.
DEEPSEEK_CODER = Layout(
    end_of_text="<｜end▁of▁sentence｜>",
    pad="<｜end▁of▁sentence｜>",
    fragment_mark="#",
    file_mark="#",
    embedding_end="<｜end▁of▁sentence｜>",
    middle_marks=("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    stop_tokens=tuple(
        f"<｜{name}｜>" for name in ("end▁of▁sentence", "begin▁of▁sentence", "fim▁begin", "fim▁hole", "fim▁end")
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

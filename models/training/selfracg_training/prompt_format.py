"""Token rows of a packaged model, rendered by the templates of its model.json as the product renders them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer


class PromptFormat:
    """Every slot is tokenised by itself, so a slot's border is a token border. Limits are total tokens of the row."""

    def __init__(self, manifest: Mapping[str, Any], tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        # A special token written out in a file is text there, not an instruction to the model.
        tokenizer.encode_special_tokens = True
        self.templates: Mapping[str, Sequence[str]] = manifest["prompt"]
        self.retrieval = manifest["retrieval"]
        self.max_path = int(manifest["prompt"]["maxPathTokens"])

    def encode(self, text: str) -> list[int]:
        """Ids of plain text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def query(self, path: str, prefix: str) -> list[int]:
        """The need query: what stands before the cursor, cut from the left to the model's queryTokens."""
        return self._render("query", path, "prefix", prefix, int(self.retrieval["queryTokens"]))

    def fragment_embedding(self, path: str, text: str) -> list[int]:
        """A fragment to be embedded, its text cut from the right to the model's fragmentTokens."""
        return self._render("fragmentEmbedding", path, "text", text, int(self.retrieval["fragmentTokens"]))

    def fragment(self, path: str, text: str, limit: int) -> list[int]:
        """A fragment for the prompt, its text cut from the right."""
        return self._render("fragment", path, "text", text, limit)

    def left_to_right(self, path: str, prefix: str, limit: int) -> list[int]:
        """The prompt where nothing follows the cursor, the prefix cut from the left."""
        return self._render("leftToRight", path, "prefix", prefix, limit)

    def _render(self, name: str, path: str, slot: str, text: str, limit: int) -> list[int]:
        path_tokens = self.encode(path)[-self.max_path :]
        pieces = [self._piece(piece) for piece in self.templates[name]]
        room = limit - len(path_tokens) - sum(len(piece) for piece in pieces if isinstance(piece, list))
        if room < 1:
            raise ValueError(f"expected a limit above {limit - room} tokens of template and path, found {limit}: raise the limit")
        if slot == "text":
            body = self.encode(text.removesuffix("\n").removesuffix("\r"))[:room]
        else:
            body = self._tail(text, room)
        slots = {"{path}": path_tokens, "{" + slot + "}": body}
        return [token for piece in pieces for token in (piece if isinstance(piece, list) else slots[piece])]

    def _piece(self, piece: str) -> list[int] | str:
        if piece.startswith("{"):
            return piece
        token = self.tokenizer.token_to_id(piece) if piece.startswith("<|") else None
        return [token] if token is not None else self.encode(piece)

    def _tail(self, text: str, room: int) -> list[int]:
        """The last `room` tokens. A long text is read from a line break on that leaves more than enough."""
        start = text.rfind("\n", 0, max(0, len(text) - 12 * room))
        ids = self.encode(text[max(0, start) :])
        return ids[-room:] if len(ids) >= room else self.encode(text)[-room:]

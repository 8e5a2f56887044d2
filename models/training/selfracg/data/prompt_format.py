"""Token rows of a packaged model, rendered by the templates of its model.json as the product renders them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer

from selfracg.data.prompt_layout import is_special

# Lines just before the cursor that the query shows anyway, the cursor's own line among them.
SHOWN_LINES = 12
MAX_STATEMENT_LINES = 20
# Share of the room that code after the cursor gets when both sides want more than there is.
SUFFIX_SHARE = 0.25
# ASCII classes and no look-around: the same expression is used in TypeScript, line by line.
IMPORT = re.compile(
    r"^[ \t]*(?:import\b|from[ \t]+[^ \t\n]+[ \t]+import\b|using[ \t]+[A-Za-z_.= \t]+;|use[ \t]+[A-Za-z_:{\\]"
    r"|#[ \t]*include\b|export\b.*[ \t]from[ \t]|(?:const|let|var)\b.*\brequire\()",
    re.ASCII | re.MULTILINE,
)
_BLANK = " \t\r"


def import_statements(prefix: str) -> str:
    """The import statements before the cursor, each line ended by a line break; those of the last 12 lines are left out.

    A statement continues while it has more opening than closing round and curly brackets, over at most 20 lines. White
    space in front of its first line and at the end of each line is dropped. Many queries are too short to reach the top
    of their file, and what a file imports says where its needs are met.
    """
    end = len(prefix)
    for _ in range(SHOWN_LINES):
        end = prefix.rfind("\n", 0, max(end, 0))
        if end < 0:
            return ""
    seen = prefix[:end]
    found: list[str] = []
    after = 0
    for match in IMPORT.finditer(seen):
        if match.start() < after:
            continue
        lines: list[str] = []
        opened = 0
        after = match.start()
        while after <= len(seen) and len(lines) < MAX_STATEMENT_LINES:
            stop = seen.find("\n", after)
            stop = len(seen) if stop < 0 else stop
            line = seen[after:stop]
            after = stop + 1
            opened += line.count("(") + line.count("{") - line.count(")") - line.count("}")
            lines.append(line.rstrip(_BLANK) if lines else line.strip(_BLANK))
            if opened <= 0:
                break
        found.extend(lines)
    return "".join(line + "\n" for line in found)


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
        """The need query: what stands before the cursor, cut from the left to the model's queryTokens.

        Import statements that stand further up come on top of that, cut from the left to importTokens.
        """
        limit = int(self.retrieval.get("importTokens", 0))
        imports = import_statements(prefix) if limit and "{imports}" in self.templates["query"] else ""
        shown = self._tail(imports, limit) if imports else []
        return self._render("query", path, "prefix", prefix, int(self.retrieval["queryTokens"]), {"{imports}": shown})

    def fragment_embedding(self, path: str, text: str) -> list[int]:
        """A fragment to be embedded, its text cut from the right to the model's fragmentTokens."""
        return self._render("fragmentEmbedding", path, "text", text, int(self.retrieval["fragmentTokens"]))

    def fragment(self, path: str, text: str, limit: int) -> list[int]:
        """A fragment for the prompt, its text cut from the right."""
        return self._render("fragment", path, "text", text, limit)

    def left_to_right(self, path: str, prefix: str, limit: int) -> list[int]:
        """The prompt where nothing follows the cursor, the prefix cut from the left."""
        return self._render("leftToRight", path, "prefix", prefix, limit)

    def fill_in_middle(self, path: str, prefix: str, suffix: str, limit: int) -> list[int]:
        """The prompt with code on both sides, in the form that the template has: the prefix cut from the left, the suffix from the right.

        Where both are too long the suffix gets a quarter of the room; what one side leaves unused goes to the other.
        A package without such a template gets the left-to-right prompt.
        """
        if "fillInMiddle" not in self.templates:
            return self.left_to_right(path, prefix, limit)
        path_tokens = self.encode(path)[-self.max_path :]
        pieces = [self._piece(piece) for piece in self.templates["fillInMiddle"]]
        room = self._room(pieces, path_tokens, limit)
        before, after = self._tail(prefix, room), self._head(suffix, room)
        suffix_tokens = min(len(after), max(int(room * SUFFIX_SHARE), room - len(before)))
        prefix_tokens = min(len(before), room - suffix_tokens)
        slots = {
            "{path}": path_tokens,
            "{prefix}": before[len(before) - prefix_tokens :],
            "{suffix}": after[:suffix_tokens],
        }
        return [token for piece in pieces for token in (piece if isinstance(piece, list) else slots[piece])]

    def _room(self, pieces: Sequence[list[int] | str], path: Sequence[int], limit: int) -> int:
        """Tokens that template and path leave of a limit."""
        room = limit - sum(
            len(piece) if isinstance(piece, list) else len(path) * (piece == "{path}") for piece in pieces
        )
        if room < 1:
            raise ValueError(
                f"expected a limit above {limit - room} tokens of template and path, found {limit}: raise the limit"
            )
        return room

    def _render(
        self, name: str, path: str, slot: str, text: str, limit: int, extra: Mapping[str, list[int]] | None = None
    ) -> list[int]:
        path_tokens = self.encode(path)[-self.max_path :]
        pieces = [self._piece(piece) for piece in self.templates[name]]
        room = self._room(pieces, path_tokens, limit)
        if slot == "text":
            body = self.encode(text.removesuffix("\n").removesuffix("\r"))[:room]
        else:
            body = self._tail(text, room)
        slots = {**(extra or {}), "{path}": path_tokens, "{" + slot + "}": body}
        return [token for piece in pieces for token in (piece if isinstance(piece, list) else slots[piece])]

    def _piece(self, piece: str) -> list[int] | str:
        if piece.startswith("{"):
            return piece
        return self.piece(piece)

    def piece(self, piece: str) -> list[int]:
        """Ids of a piece of a template that is no slot: a special token, or plain text."""
        token = self.tokenizer.token_to_id(piece) if is_special(piece) else None
        return [token] if token is not None else self.encode(piece)

    def _tail(self, text: str, room: int) -> list[int]:
        """The last `room` tokens. A long text is read from a line break on that leaves more than enough."""
        start = text.rfind("\n", 0, max(0, len(text) - 12 * room))
        ids = self.encode(text[max(0, start) :])
        return ids[-room:] if len(ids) >= room else self.encode(text)[-room:]

    def _head(self, text: str, room: int) -> list[int]:
        """The first `room` tokens. A long text is read up to a line break that leaves more than enough."""
        end = text.find("\n", 12 * room)
        ids = self.encode(text if end < 0 else text[:end])
        return ids[:room] if end < 0 or len(ids) >= room else self.encode(text)[:room]

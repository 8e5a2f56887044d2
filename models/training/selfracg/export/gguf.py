"""Command `gguf`: writes a Qwen2 backbone as one GGUF file, so that llama.cpp can run the same weights for comparison.

The adapters are left out, since llama.cpp computes no expressions. q8_0 rounds every matrix, the embedding included, to
blocks of 32 eight-bit numbers with a 16-bit scale, as llama.cpp's own `quantize` does; biases and norms stay float32.
The file has the vocabulary and its merges, but llama.cpp has no tokenizer that splits words as this project's does: give it
ids where the tokens must be the same.

Needs `pip install 'selfracg-training[gguf]'`.        Reads  backbone/ or --backbone.        Writes --out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfracg.files import replaced
from selfracg.model import backbone

if TYPE_CHECKING:
    import gguf

TYPES = ("q8_0", "f32")
# What may follow the name of a part in a checkpoint's names of tensors.
SUFFIXES = (".weight", ".bias")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `gguf`."""
    parser.add_argument(
        "--backbone", type=Path, default=None, help="Hugging Face checkpoint folder (default: WORK/backbone)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--type", choices=TYPES, default="q8_0", help="how matrices are stored")


def run(args: argparse.Namespace) -> int:
    """Writes the file. Returns 0."""
    source = args.backbone or Path(args.work) / "backbone"
    write(source, backbone.tokenizer_file(source, args.work), args.out, args.type)
    print(f"gguf: {args.out}: {args.out.stat().st_size:,} bytes, {args.type}")
    return 0


def write(source: Path, tokenizer: Path, out: Path, kind: str) -> None:
    """Writes the checkpoint in `source` with the vocabulary of `tokenizer` (tokenizer.json) to `out`, `kind` one of TYPES.

    Raises ``ValueError`` for another architecture than Qwen2 and for a scaled rotary embedding, ``ModuleNotFoundError``
    where the `gguf` package is not installed.
    """
    try:
        import gguf
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "expected the Python package gguf, found none: pip install 'selfracg-training[gguf]'"
        ) from error

    model = backbone.load(source)
    config = model.config
    rope: dict[str, Any] = dict(config.rope_parameters)
    # GGUF stores the heads of Llama in another order, and each kind of scaling under its own keys.
    if config.model_type != "qwen2":
        raise ValueError(
            f"expected the architecture qwen2 in {source / 'config.json'}, found {config.model_type}: use a Qwen2 checkpoint"
        )
    if rope.get("rope_type", "default") != "default":
        raise ValueError(
            f"expected an unscaled rotary embedding in {source / 'config.json'}, found {rope['rope_type']}: use another checkpoint"
        )

    writer = gguf.GGUFWriter(None, "qwen2")
    writer.add_name(source.resolve().name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if kind == "q8_0" else gguf.LlamaFileType.ALL_F32)
    _add_vocabulary(writer, json.loads(tokenizer.read_text(encoding="utf-8")), config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    # Tied tensors come once.
    for name, tensor in model.named_parameters():
        values = tensor.detach().float().numpy()
        stored = gguf.GGMLQuantizationType.F32
        # Only rows of whole blocks can be quantised.
        if kind == "q8_0" and values.ndim == 2 and values.shape[1] % 32 == 0:
            stored = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(
            names.get_name(name, SUFFIXES) or name, gguf.quants.quantize(values, stored), raw_dtype=stored
        )
    with replaced(out) as scratch:
        writer.write_header_to_file(scratch)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter, content: dict[str, Any], config: Any) -> None:
    """Adds the tokens by id, added tokens as control tokens; rows of the embedding without a token get a name that occurs in no text."""
    import gguf

    size = config.vocab_size
    tokens = [f"[unused {index}]" for index in range(size)]
    kinds = [gguf.TokenType.UNUSED] * size
    for token, index in content["model"]["vocab"].items():
        tokens[index], kinds[index] = token, gguf.TokenType.NORMAL
    for entry in content.get("added_tokens", []):
        tokens[entry["id"]], kinds[entry["id"]] = entry["content"], gguf.TokenType.CONTROL
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_add_bos_token(False)
    ends = config.eos_token_id
    if ends is not None:
        writer.add_eos_token_id(ends[0] if isinstance(ends, list) else ends)
    if config.pad_token_id is not None:
        writer.add_pad_token_id(config.pad_token_id)

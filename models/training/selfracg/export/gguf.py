"""Command `gguf`: a Qwen2 backbone as one GGUF file, so that llama.cpp can run the same weights for comparison.

Adapters are left out: llama.cpp has no place for an expression. q8_0 rounds every matrix, the embedding included, to
blocks of 32 eight-bit numbers with a 16-bit scale, as llama.cpp's own `quantize` does; biases and norms stay float32.
The vocabulary and its merges go along, so llama.cpp can show and read text, but it knows no tokenizer with this project's
way of cutting words: give it ids where tokens have to be equal.

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
# Name of each of a layer's tensors here and there.
LAYER_TENSORS = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.v_proj.bias": "attn_v.bias",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
MODEL_TENSORS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


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
    # Llama's heads are laid out in another order there, and each scaling has keys of its own.
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
    weights = model.state_dict()
    if config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    for name, tensor in weights.items():
        values = tensor.float().numpy()
        stored = gguf.GGMLQuantizationType.F32
        # A row has to be whole blocks.
        if kind == "q8_0" and values.ndim == 2 and values.shape[1] % 32 == 0:
            stored = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(_name(name), gguf.quants.quantize(values, stored), raw_dtype=stored)
    with replaced(out) as scratch:
        writer.write_header_to_file(scratch)
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _name(name: str) -> str:
    """GGUF's name of a Qwen2 tensor."""
    if name in MODEL_TENSORS:
        return MODEL_TENSORS[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{LAYER_TENSORS[rest]}"


def _add_vocabulary(writer: gguf.GGUFWriter, content: dict[str, Any], config: Any) -> None:
    """Tokens by id, the added ones as control tokens; rows of the embedding that no token stands for get a name that no text has."""
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
        # A checkpoint may name several.
        writer.add_eos_token_id(ends[0] if isinstance(ends, list) else ends)
    if config.pad_token_id is not None:
        writer.add_pad_token_id(config.pad_token_id)

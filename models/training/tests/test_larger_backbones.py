"""Checkpoints that were trained elsewhere: sharded, in bfloat16, with their own tokenizer, through `ing` and `export`."""

import json

import numpy as np
import pytest
import tiny
import torch
from command_options import options, stage_options
from conftest import repository_row
from tokenizers import Tokenizer

from selfracg.data import prompt_layout
from selfracg.export import agreement, export, package, runtime
from selfracg.model import backbone, llora
from selfracg.train import ing

KINDS = {"qwen2": (tiny.qwen2, prompt_layout.QWEN_CODER), "llama": (tiny.llama, prompt_layout.STAR_CODER)}


@pytest.fixture(params=KINDS)
def work(request, tmp_path):
    """A work folder with a corpus, and beside it a published-looking checkpoint; no tokenizer of the project's own."""
    make, layout = KINDS[request.param]
    torch.manual_seed(1)
    (tmp_path / "corpus").mkdir()
    for split, seeds in (("train", range(3)), ("heldout", range(10, 12))):
        rows = [json.dumps(repository_row(f"{split}-{seed}", seed)) for seed in seeds]
        (tmp_path / "corpus" / f"{split}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    content = json.loads(tiny.tokenizer_json(layout))
    for entry in content["added_tokens"]:
        # As Qwen2.5-Coder's file has it.
        entry["special"] = entry["content"] == layout.end_of_text
    # The embedding has more rows than the tokenizer has tokens.
    tiny.save_checkpoint(make(512), json.dumps(content), tmp_path / "checkpoint")
    return tmp_path


def test_checkpoint_is_adapted_exported_and_computes_as_in_pytorch(work):
    checkpoint = work / "checkpoint"
    assert (
        len(list(checkpoint.glob("model-*-of-*.safetensors"))) > 1 and not (checkpoint / "model.safetensors").exists()
    )
    assert ing.run(stage_options(ing, work, backbone=checkpoint, steps=2, pair_count=48, evaluation_cases=2)) == 0
    config = llora.load_config(work / "llora")
    assert config["backbone"] == backbone.checksum(checkpoint)
    model = backbone.load(checkpoint)
    module = llora.load(model, work / "llora")
    for stored in ("float16", "int8"):
        sizes = ("--weights", stored, "--context", "256")
        args = options(export, work, "--backbone", str(checkpoint), "--out", str(work / stored), *sizes)
        assert export.run(args) == 0
        manifest = package.read(work / stored)
        tokenizer = Tokenizer.from_file(str(work / stored / "tokenizer.json"))
        known = tokenizer.get_vocab_size()
        assert manifest["architecture"]["vocabularySize"] == known < 512 and manifest["contextLength"] == 256
        assert manifest["retrieval"]["dimension"] == module.dimension == model.config.hidden_size
        graph = runtime.OnnxModel.from_file(work / stored / "model.onnx")
        # Text of the kind that int8 is calibrated on, but none of it.
        text = (
            "class Shelf:\n    def __init__(self, books):\n        self.books = sorted(books, key=lambda book: book.title)\n"
            * 2
        )
        ids = np.array(tokenizer.encode(text).ids[:80]).reshape(2, 40)
        found = graph.run(ids, [40, 23], np.tile(np.arange(40), (2, 1)), adapter=llora.QUERY)
        with torch.no_grad():
            logits = model(input_ids=torch.from_numpy(ids)).logits[..., :known].numpy()
            expression = module.express(torch.from_numpy(ids), torch.tensor([40, 23]), llora.QUERY).numpy()
        bound = {"float16": 2e-3, "int8": agreement.ROUNDING_BOUNDS["int8"]}[stored]
        assert np.abs(found.logits - logits)[0].max() < bound * np.abs(logits).max()
        assert np.abs(found.expression - expression).max() < bound
        # No text of a file comes out as a token that means something.
        tokenizer.encode_special_tokens = True
        for special in prompt_layout.layout_for(tokenizer.to_str()).special_tokens():
            assert tokenizer.token_to_id(special) not in tokenizer.encode(special).ids
        card = (work / stored / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert "trained elsewhere" in card and "2 steps" in card


def test_another_checkpoint_does_not_take_the_adapter(work):
    ing.run(stage_options(ing, work, backbone=work / "checkpoint", steps=1, pair_count=48, evaluation_cases=2))
    shard = sorted((work / "checkpoint").glob("*.safetensors"))[-1]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(bytes(content))
    model = backbone.load(work / "checkpoint")
    with pytest.raises(FileNotFoundError, match="other weights"):
        export.load_adapter(model, work / "checkpoint", work / "llora", False)


def test_checkpoints_that_the_product_cannot_read_are_refused_with_a_reason():
    plain = json.loads(tiny.tokenizer_json(prompt_layout.OWN))
    plain["added_tokens"] = [entry for entry in plain["added_tokens"] if entry["content"] == "<|endoftext|>"]
    with pytest.raises(ValueError, match="fill-in-the-middle tokens of a known code model, found it without"):
        prompt_layout.layout_for(json.dumps(plain))
    pieces = plain | {"decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}]}}
    with pytest.raises(ValueError, match="byte-level BPE tokenizer, found model BPE with decoder Sequence"):
        prompt_layout.product_tokenizer(json.dumps(pieces))


def test_a_tokenizer_with_more_tokens_than_the_embedding_is_refused(tmp_path):
    text = tiny.tokenizer_json(prompt_layout.STAR_CODER)
    model = tiny.llama(200)
    with pytest.raises(ValueError, match="at most 200 tokens"):
        export.export(
            model,
            llora.LLoRA(model),
            {},
            tmp_path,
            text,
            tmp_path / "out",
            stored="float16",
            name="n",
            version="1",
            licence="MIT",
            work=tmp_path,
        )

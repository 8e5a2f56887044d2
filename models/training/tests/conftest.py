"""What several tests share. Importing the library first switches ONNX Runtime's telemetry off for every test."""

import json
import random

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from selfracg.data import special_tokens
from selfracg.model import backbone

VERBS = "open close read write parse merge split count clean build".split()
NOUNS = "ledger parcel window branch ticket kettle garden planet".split()


def repository_row(name: str, seed: int) -> dict:
    """Files that define functions and files that call them, ten to fifteen lines before any name comes again."""
    source = random.Random(seed)
    names = [f"{verb}_{noun}_{seed}" for verb in VERBS for noun in source.sample(NOUNS, 2)]
    files = {}
    for part in range(4):
        own = names[part * 5 : part * 5 + 5]
        text = "\n".join(
            f"def {n}(value):\n    total = value + {i}\n    print(total)\n    return total\n" for i, n in enumerate(own)
        )
        files[f"pkg/part{part}.py"] = text
    calls = "\n".join(f"    step = step * 2\n    print(step)\n    result = {n}(step)" for n in names)
    files["pkg/main.py"] = f"import sys\n\n\ndef main(step):\n{calls}\n    return result\n"
    return {"repository": name, "language": "python", "licence": "MIT", "files": files}


@pytest.fixture
def work(tmp_path):
    """A work folder with a byte-level tokenizer, a small corpus and a tiny backbone."""
    # Threads that meet at every tiny operation cost far more than they save.
    torch.set_num_threads(1)
    order = list(special_tokens.SPECIAL_TOKENS)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(order + alphabet)}, []))
    tokenizer.add_special_tokens(order)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    (tmp_path / "corpus").mkdir()
    for split, seeds in (("train", range(4)), ("heldout", range(10, 12))):
        rows = [json.dumps(repository_row(f"{split}-{seed}", seed)) for seed in seeds]
        (tmp_path / "corpus" / f"{split}.jsonl").write_text("\n".join(rows) + "\n")
    torch.manual_seed(0)
    model = backbone.create(backbone.default_config(tokenizer.get_vocab_size(), 32, 2, 4, 2, 48, 256))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    backbone.save(model, tmp_path / "backbone", tmp_path / "tokenizer" / "tokenizer.json")
    return tmp_path

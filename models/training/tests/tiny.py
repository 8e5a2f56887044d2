"""A tiny tokenizer for tests of packages."""

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from selfracg_training import package


def tokenizer_json(layout: package.Layout) -> str:
    """Byte-level BPE of 300 entries with the special tokens of a prompt layout."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=layout.special_tokens(), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(["def need(self):\n    return self.x\n"], trainer)
    return tokenizer.to_str()

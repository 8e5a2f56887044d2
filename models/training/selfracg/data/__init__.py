"""Corpus, tokenizer, rows of tokens, prompts, pairs and tasks. Imports no other package of the library."""

"""Training of the SelfRACG model: corpus, tokenizer, backbone, retrieval adapters and export."""

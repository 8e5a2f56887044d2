"""The backbone, its training forward pass, the retrieval adapters, expressions and greedy decoding."""

"""The backbone, its training forward pass, the retrieval adapters and decoding."""

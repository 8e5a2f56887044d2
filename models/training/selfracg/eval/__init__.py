"""Tables of loss, use of fragments, retrieval and isolation."""

"""The training stages: backbone, adapters on pairs, on the model's own continuations, on what fragments are worth."""

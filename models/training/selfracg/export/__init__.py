"""Graph, quantisation and the model package."""

"""One file per method that turns activations into directions."""

"""Small models made on the spot, the same each time: networks of MLX-LM with weights of our own, and tokenizers."""

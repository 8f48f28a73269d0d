"""What the configuration says of the network, and whether the tensors are those of its architecture."""

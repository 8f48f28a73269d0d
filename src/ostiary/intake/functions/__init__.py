"""Functions: a graph, its constants, its contract and its card, each read strictly and held against the others."""

"""The ceilings on functions. docs/reference/limits.md is generated from this file too."""

from __future__ import annotations

from typing import Final

from ostiary.core.ceiling import Ceiling

# Graphs
MAX_SIZE_CHARACTERS: Final = Ceiling(
    256, "characters", "one size of a graph, such as `4*batch`; exported ones stay below 60"
)
MAX_SIZE_TERMS: Final = Ceiling(16, "terms", "of one size; exported ones have four at most")
MAX_SIZE_DEGREE: Final = Ceiling(8, "dims", "multiplied in one term of a size; an array has no more axes")
MAX_SIZE_DEPTH: Final = Ceiling(
    4, "quotients", "one within another in a size; those of layers with strides fold into one"
)
MAX_GRAPH_BYTES: Final = Ceiling(
    32 << 20, "bytes", "of graph.json; an exported transformer of 100 layers has two million"
)
MAX_GRAPH_VALUES: Final = Ceiling(4 << 20, "values", "of JSON in graph.json; a node has about fifteen")
MAX_GRAPH_NODES: Final = Ceiling(131_072, "nodes", "of one graph; exported networks have tens for each layer")
MAX_GRAPH_DIMS: Final = Ceiling(16, "dims", "of one graph; exported ones have three at most")
MAX_GRAPH_INPUTS: Final = Ceiling(256, "arrays", "that go into one graph; networks take a few")
MAX_GRAPH_OUTPUTS: Final = Ceiling(256, "arrays", "that come out of one graph; networks give a few")
MAX_GRAPH_SIZES: Final = Ceiling(4_096, "texts", "different sizes that follow dims; exported graphs have below 100")
MAX_GRAPH_SIZE_WORK: Final = Ceiling(
    1 << 20, "steps", "of arithmetic on sizes that follow dims; an exported transformer of 100 layers takes 100,000"
)
MAX_GRAPH_RANK: Final = Ceiling(8, "axes", "of one array; convolutions in windows of three axes need eight")
MAX_GRAPH_FAN_IN: Final = Ceiling(4_096, "arrays", "that one node takes; a concatenation takes tens")
MAX_GRAPH_SPLITS: Final = Ceiling(4_096, "arrays", "that one node gives; a recurrent layer is split step by step")

# Contracts of functions
MAX_CONTRACT_BYTES: Final = Ceiling(1 << 20, "bytes", "of contract.json; exported ones stay below 10 KiB")
MAX_CONTRACT_NUMBERS: Final = Ceiling(
    1_024, "numbers", "that an input's elements may be; a range says what a longer list would"
)

# Cards of functions
MAX_CARD_BYTES: Final = Ceiling(1 << 20, "bytes", "of card.json; exported ones stay below 20 KiB")
MAX_CARD_VALUES: Final = Ceiling(16_384, "values", "of card.json; a list of dependencies has hundreds")
MAX_CARD_TEXT_CHARACTERS: Final = Ceiling(65_536, "characters", "one text of a card; a description has a page")
USUAL_DIM: Final = Ceiling(
    64, "entries", "of a dim that has no end: default limits are worked out for so many; larger calls may not fit"
)

"""Makes a model directory of a researcher's function: its graph, its numbers, its contract and its card.

In: a function of MLX or an nn.Module, and arrays to try it with
Out: a directory with graph.json, graph.safetensors, contract.json and card.json
Trusts: the function, which runs in the process of whoever exports it
Refuses: ExportRefused
Emits: nothing
"""

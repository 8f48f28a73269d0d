"""Says what a function is: a graph of known operations on arrays, each of whose sizes is known before it runs.

In: the bytes of graph.json and contract.json
Out: Graph, FunctionContract
Trusts: nothing
Refuses: IntakeRefused
Emits: nothing
"""

"""Runs graphs: each operation that the table of primitives knows, checked, guarded, and done by MLX.

Both the worker and `embed` run functions with this, so that a function is the same on either side of the wall.
`Function` is all that they need: nothing of MLX but the calls in `OPERATIONS` can be reached from a graph.
"""

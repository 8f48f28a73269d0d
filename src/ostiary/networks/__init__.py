"""The networks that may run here, and how one is put together from the bytes of a model that was verified.

Both the worker and `embed` build theirs with this, so that a model is the same network on either side of the wall.
The pure parts (`architectures`, `configuration`) are used without MLX.
"""

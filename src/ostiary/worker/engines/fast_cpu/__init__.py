"""Makes MLX-LM's networks fast on a Linux processor, and says what it did. docs/speed.md explains and measures.

`arithmetic` chooses the library that multiplies matrices and lets MLX call it; `widen` turns a network's weights
into float32 where there is memory, into `layers` that multiply piece by piece where there is not; `activations` are
the same in less time; `threads` says how many work on a prompt and how many on an answer; `speed` is all of it for
an engine. None of it knows what a request is.
"""

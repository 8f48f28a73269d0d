"""The marked cupboard: system calls that Python does not wrap. Each file says who may use it and why."""

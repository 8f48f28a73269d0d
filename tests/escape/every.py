"""Imports every family of attempts, so that all are known."""

from escape import files, from_outside, itself, memory, privileges, processes, sockets

__all__ = ["files", "from_outside", "itself", "memory", "privileges", "processes", "sockets"]

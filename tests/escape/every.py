"""Imports every family of attempts, so that all are known."""

from escape import files, itself, memory, privileges, processes, sockets

__all__ = ["files", "itself", "memory", "privileges", "processes", "sockets"]

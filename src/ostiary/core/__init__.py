"""Tickets, limits, findings, digests and canonical forms: values only, no I/O and no clock."""

"""Keeps what the house decided, so that nobody can change it unseen.

In: Event
Out: Entry
Trusts: the state directory's owner, the injected clock, the keys it made
Refuses: RecordRefused
Emits: record.begun, record.key_rotated, record.dropped, record.clock_stepped_back, record.archived, record.forgotten, record.hook_failed
"""

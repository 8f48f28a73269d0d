"""Keeps what the house decided, so that nobody can change it unseen.

In: Event
Out: Entry
Trusts: the state directory's owner, the injected clock, the keys it made
Refuses: RecordRefused
Emits: record.archived, record.begun, record.clock_stepped_back, record.dropped, record.forgotten, record.hook_failed, record.key_rotated
"""  # noqa: E501  # each line of a card is one line

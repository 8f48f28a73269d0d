"""Runs each model in a process that can read nothing, reach nobody, start nothing and outgrow nothing.

In: SealedModel and its limits
Out: RunningCell
Trusts: the kernel, to keep the wall; of the process inside, nothing
Refuses: CallRefused, CellRefused
Emits: cell.call_denied, cell.ended, cell.refused, cell.started, model.quarantined, model.released, unsafe.used
"""

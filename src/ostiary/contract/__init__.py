"""Says whether a request fits the model, before the model sees anything of it.

In: ParsedRequest, or ParsedTensors
Out: CheckedRequest, or CheckedTensors
Trusts: what was verified of the model, and the limits that it runs within
Refuses: ContractRefused
Emits: nothing
"""

from __future__ import annotations

from ostiary.contract.check_request import check_request
from ostiary.contract.check_tensors import check_tensors
from ostiary.contract.name_limit import name_limit
from ostiary.contract.sample_requests import Sample, make_samples
from ostiary.contract.sample_tensors import TensorSample, make_tensor_samples
from ostiary.contract.text_contract import TextContract, derive_contract

__all__ = [
    "Sample",
    "TensorSample",
    "TextContract",
    "check_request",
    "check_tensors",
    "derive_contract",
    "make_samples",
    "make_tensor_samples",
    "name_limit",
]

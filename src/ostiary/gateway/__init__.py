"""The HTTP door: reads what clients send, strictly and within bounds, and answers in their own protocol.

In: bytes from the network
Out: ParsedRequest, and what becomes of it as bytes
Trusts: the settings of its operator; of what clients send, nothing
Refuses: AdmissionRefused, AnswerRefused, ContractRefused, GatewayRefused
Emits: client.refused, keys.created, keys.reread, keys.unusable, server.started, server.stopped
"""

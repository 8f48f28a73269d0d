"""The HTTP door: reads what clients send, strictly and within bounds, and answers in their own protocol.

In: bytes from the network
Out: ParsedRequest, and what becomes of it as bytes
Trusts: the settings of its operator; of what clients send, nothing
Refuses: AdmissionRefused, AnswerRefused, CellRefused, ContractRefused, GatewayRefused
Emits: certificate.expiring, certificate.refused, certificate.renewed, client.refused, keys.created, keys.reread, keys.unusable, model.kept, model.loaded, model.not_loaded, model.unloaded, server.started, server.stopped, settings.refused, settings.reloaded, token_keys.refused, token_keys.renewed, usage.damaged
"""  # noqa: E501  # each line of a card is one line

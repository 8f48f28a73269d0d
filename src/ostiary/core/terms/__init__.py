"""contract.json: what a model accepts and returns, as a value: read strictly, written, derived, compared. Pure."""

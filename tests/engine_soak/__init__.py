"""Many requests of all kinds to one engine: none is lost, none leaves anything behind."""

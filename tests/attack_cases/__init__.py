"""Our own attack cases: hostile models as data, each with the verdict it must get."""

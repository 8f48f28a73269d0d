"""Chat templates: programs in Jinja, parsed and judged, never rendered."""

"""The command line: one file per verb; `ui` is the only place that prints."""

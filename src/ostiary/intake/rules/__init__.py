"""Every rule that intake looks for, by family. docs/reference/rules.md is generated from `ALL_RULES`."""

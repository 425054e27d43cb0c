"""The command line: one module per command with a `main`; `tools/` and `capekit COMMAND` call it."""

"""The `erm` command: one file a command. Only here is anything printed, and the process ended."""

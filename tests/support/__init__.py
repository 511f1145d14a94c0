"""What many tests share: servers, databases, the command line, and the guard over issued secrets."""

"""What a plan and its outcome look like: one file a format, each a function to `str`. Nothing here prints."""

"""A page of sections, tables and commands, as text, Markdown and HTML: what is told of a release."""

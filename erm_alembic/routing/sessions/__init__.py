"""The sessions of an application, and what is looked at in their transactions."""

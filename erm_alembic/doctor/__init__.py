"""`erm doctor`: whether a project, its database and its replicas are set up so that they will work."""

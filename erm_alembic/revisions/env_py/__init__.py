"""What a project's env.py makes and sets, carried over to the connection that erm runs the revisions on."""

"""What the user configured: erm.yaml, the environment and the flags, with every secret sealed until it is used."""

"""Tokens that travel: with a browser's cookie, a service's header, a job's message. Each needs its framework alone."""

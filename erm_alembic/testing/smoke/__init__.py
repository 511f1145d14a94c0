"""Smoke tests: those marked `erm_smoke`, run by `erm smoke` on a database in use, in transactions that are rolled back.

The tests run in a process of their own, which has one connection and can open no other. docs/smoke.md says what holds
them, and what cannot be held.
"""

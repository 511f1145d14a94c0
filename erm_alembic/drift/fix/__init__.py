"""The ways out of drift: SQL that makes one database's schema like another's, from the snapshots of both.

Each statement passes also where it was run before, or where what it makes is there already.
"""

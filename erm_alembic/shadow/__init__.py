"""A scratch database in which the history is replayed and a plan is rehearsed.

    from erm_alembic.shadow.opened import open_shadow

    with open_shadow(settings, project, target) as shadow:
        with shadow.at(["3a1f5c0e7b21"]) as database:       # a clone, with that history in it
            connection = database.connect()                 # psycopg2
            shadow.run("replay", database, {"revisions": ["8c4d2e91f6a0"]})   # a task of the child process

What is in this folder makes scratch databases and keeps them; `child/` is the process that runs the project's code in
them, `rehearsal/` what it sees of a plan, `proof/` whether a revision can be taken back, `seeds/` the rows for that.

`ShadowUnavailable` says why there is none; what a shadow would have shown is then unknown, and never guessed.
"""

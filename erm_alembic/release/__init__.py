"""`erm release`: the playbook as one run that can go on where it was stopped, each stage of it in the ledger.

    release(env, request)      from the first stage on
    resume(env, request)       from the stage on that had not ended
    abandon(env, reason)       ends one that is not gone on with
    releases(env), preview(env, request)

`playbook.STAGES` is the visible tuple of the stages; each is a module of `stages/` that does one thing with the public
functions that `erm migrate`, `erm backup`, `erm smoke`, `erm observe` and `erm replicas` are made of. `run` shows a
release on one screen.
"""

from __future__ import annotations

"""Takes a finished plan to the database: one deployer at a time, one transaction a revision, all of it in the ledger.

- `deploy` runs a plan, by way of `under_lock`; `run` is the course of a run, `step` one revision of it.
- `session`, `watch`, `retry`: the limits of its sessions, the locks that it waits for, and trying again.
- `observe` is the gate that every statement passes, a `passage` what stands behind it, and `going` the choice of one:
  everything is sent (`passage`), what is left of a half-done revision (`resuming/`), what was approved (`approved/`),
  or what there is to take back (`repairing/`).
- `bookkeeping` is what is written of a revision; `endings/` what is written and said of a run that is over.
- `progress`, `hooks`: who is told meanwhile.
- `stamp`: what else writes to a database, under the same lock.
"""

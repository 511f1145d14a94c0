"""A plan: a value that is computed before anything is done, and what it is made of.

- `model`, `request`, `rehearsal`, `comparison`, `reports`: the values.
- `build` makes a plan, `undisturbed` by other deployments: `record` runs what is pending with its writes held back,
  `basis` and `data_loss` read the rest.
- `half_done`, `alone`, `ways`, `standing`: what an earlier run left in the middle, and where a database stands.
- `terms`, `approval`, `divergence`, `signing`, `plan_file`: a plan that is kept, approved, and compared again.
- `estimate`, `accuracy`, `proven_losses`, `surroundings`: what is reckoned and counted on the live database for it.
"""

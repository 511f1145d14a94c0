"""A plan is run in the shadow, and what each of its statements really does is seen."""

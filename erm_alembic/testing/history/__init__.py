"""What the ready-made migration tests look at: a plan of the whole history, and what each test has to say of it."""

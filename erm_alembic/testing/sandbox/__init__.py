"""The databases of tests: the server they are on, the template at the heads, its copies, and what is rolled back."""

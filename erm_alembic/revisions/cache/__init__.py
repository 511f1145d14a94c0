"""What was learned from the revision files, kept until one of them changes: a plan need not load thousands of them."""

"""A bundle: a whole history in a folder, taken from a running deployment, and audited where there is none."""

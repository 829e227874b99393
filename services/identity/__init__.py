"""identity: the local OAuth 2.0 issuer. For laptops, tests and demonstrations; a deployment brings its own issuer."""

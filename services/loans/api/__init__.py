"""The HTTP API of loans, a file a resource."""

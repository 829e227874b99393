"""The HTTP API of allocation, a file a resource."""

"""The HTTP API of inventory, a file a resource."""

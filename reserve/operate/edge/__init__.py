"""The edge: Envoy at the one public address. What is configured here is told to it in a file, which `deploy/edge` gives to others, too."""

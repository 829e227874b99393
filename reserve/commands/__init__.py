"""What the `reserve` command does, a file a command."""

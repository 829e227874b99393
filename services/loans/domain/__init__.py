"""The rules of loans, without a framework."""

"""gateway: the one address of the system. It takes requests to the services and keeps what is internal inside."""

"""The commands that work on artifacts without a server, a module each, and imported when it is asked for."""

"""Where people teach: a session over the store, and the front ends that show it."""

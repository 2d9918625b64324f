"""A page that tells what a reward model learned: one file, for a browser, without a network."""

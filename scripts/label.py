"""Teach the agent of a run by answering questions in a window. Takes every option of `prefrl label`."""

from command import run

if __name__ == "__main__":
    run("label")

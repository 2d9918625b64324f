"""Measure a trained agent by the true reward. Takes every option of `prefrl evaluate`."""

from command import run

if __name__ == "__main__":
    run("evaluate")

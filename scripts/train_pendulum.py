"""Train an agent in Pendulum-v1. Takes every option of `prefrl train`."""

from command import run

if __name__ == "__main__":
    run("train", "Pendulum-v1")

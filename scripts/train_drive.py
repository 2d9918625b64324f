"""Train an agent in prefrl/Drive-v0. Takes every option of `prefrl train`.

`--env-kwargs taste smooth`, or fast, or drift, chooses what the oracle likes.
"""

from command import run

if __name__ == "__main__":
    run("train", "prefrl/Drive-v0")

"""Train an agent in LunarLander-v3. Takes every option of `prefrl train`."""

from command import run

if __name__ == "__main__":
    run("train", "LunarLander-v3")

"""Rows of results for tests of the benchmarks. Import as `from benchmark_rows import cells, row`."""


def row(env_id: str, arm: str, seed: int, true_return: float, speed: str = "") -> dict[str, str]:
    """A row of learning.csv."""
    values = {"env_id": env_id, "arm": arm, "seed": seed, "true_return": true_return, "steps_per_second": speed}
    return {key: str(value) for key, value in values.items()} | {"labels": "500", "num_timesteps": "1000"}


def cells(line: str) -> list[str]:
    """The cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split("|")]

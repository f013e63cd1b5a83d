"""The report of a sweep: what came of its points."""

from mixture.show.text.wording import wording


@wording
def sweep_text(points, counts):
    """How many points there are, and what came of them by outcome."""
    good = counts.get("trusted", 0) == points
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
    return f"**{'Every point can be trusted' if good else 'Not every point can be trusted'}.** {points:,} points: {outcomes}."

"""Shows how ScoreRT is used: each runs as `python -m examples.NAME` in a checkout, and in the tests."""

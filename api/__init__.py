"""ScoreRT over HTTP: `python -m api` serves exported models."""

"""A recipe that makes a plan of each coding, by the coding's name; the tests of codings run on all of them."""

from __future__ import annotations

RECIPES = {"rate": "rate", "delta": "sigma_delta", "latency": "ttfs", "digits": "digits", "leaky": "leaky"}

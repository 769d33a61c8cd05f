"""How the project's own figures are measured, and how they get into the pages.

`python docs/measure.py NAME ...` makes a measurement; `python docs/measure.py fill NAME ...` puts what is kept in
docs/results into the pages.
"""

"""Before and after a conversion: which recipe and how many steps, where the error comes from, what chips need."""

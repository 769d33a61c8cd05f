"""Advice on a conversion: the recipe and steps to take, the causes of errors, the needs of chips, perturbations."""

"""Episodes: environments, vectors of them, policies that play, and their scores."""

"""Files in, files out: checkpoints, the trained agents of the package, NIR, directories and hubs."""

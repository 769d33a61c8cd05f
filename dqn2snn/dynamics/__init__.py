"""What one step of a spiking network does, what it remembers, and what is read of it."""

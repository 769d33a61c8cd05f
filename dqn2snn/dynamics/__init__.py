"""One step of a spiking network, the state that it leaves, and the codings and readouts that give it a meaning."""

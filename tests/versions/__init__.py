"""What must work on every supported Python, with the oldest and the newest versions of what dqn2snn stands on."""

"""The tests are a package so that they can share agents, geometries and properties."""

"""One training loop for every family: loop.fit. Devices, optimisers and progress live beside it."""

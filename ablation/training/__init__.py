"""What happens in a worker: features, heads, epochs. What loads a backend, with `backbones`."""

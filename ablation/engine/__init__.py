"""The child's side: what a worker does for one training, whatever its experiment."""

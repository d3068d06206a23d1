"""How a classifier is trained: the steps of an epoch, the state between two of them, and the log for TensorBoard."""

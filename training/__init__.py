"""How a classifier is trained: `training.train` is the way through, `training.trainer` takes the steps."""

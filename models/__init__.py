"""The networks and the file that a trained one is saved in: all that it takes to predict an image."""

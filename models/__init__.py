"""What the training and visualising scripts share: networks, model files, pictures, taxonomy and scores."""

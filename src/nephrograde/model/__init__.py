"""THE NETWORK: ResNet-18 in 2D and 3D, initial weights, pooling, the card."""

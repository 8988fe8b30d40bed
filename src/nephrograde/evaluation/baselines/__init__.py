"""What image models have to beat, alone and together with them."""

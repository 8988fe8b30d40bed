"""What may leave a hospital, and the evaluation of a model over several hospitals without their images."""

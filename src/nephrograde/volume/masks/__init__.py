"""Where a person said the tumour is: masks and seed points, in the files that drawing programs write."""

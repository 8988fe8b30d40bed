"""Where a reader marked the tumour: masks and seed points, in the files that annotation programs write."""

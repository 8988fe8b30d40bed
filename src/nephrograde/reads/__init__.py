"""Several readers score the same patients: how good they are, how much they agree, and the model beside them."""

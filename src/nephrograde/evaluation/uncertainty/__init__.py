"""How sure a model may be of one patient: prediction sets and referral."""

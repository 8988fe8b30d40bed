"""How many patients are needed, and what so many can show."""

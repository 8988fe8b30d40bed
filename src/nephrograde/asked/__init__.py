"""What a command that grades is asked for, and how it answers and ends; needs no typer, whose import takes long."""

"""The text of an audit, in the language of the terminal."""

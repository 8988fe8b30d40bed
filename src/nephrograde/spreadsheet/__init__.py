"""How spreadsheets and text files store tables: encodings, workbooks and cells."""

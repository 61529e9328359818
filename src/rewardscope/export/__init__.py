"""Out of it: autoencoders in SAELens' form, tables as Parquet with a card, and results as a Python user reads them."""

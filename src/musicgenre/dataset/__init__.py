"""Where tracks come from, what is wrong with them, and which side of the split they stand on."""

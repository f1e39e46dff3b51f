"""Languages, scripts and the normalisation of texts."""

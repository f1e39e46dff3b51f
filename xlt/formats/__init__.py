"""What is on disk: Kaldi tables, archives and matrices, model folders, figures."""

"""Long recordings and their transcripts: which part of the text is said when (``xlt align``)."""

"""The families of checks, one module each, in the order of report.md."""

FAMILIES = {  # module → its heading on the page
    "kaldi": "Directories",
    "audio": "Sound",
    "leaks": "Leakage between sets",
    "alphabet": "Alphabet",
    "ctc": "CTC",
    "whisper": "Whisper's tokens",
    "speech": "Speech and its text",
    "lm_texts": "Texts for language models",
    "resources": "Disk and memory",
    "statistics": "Statistics",
}

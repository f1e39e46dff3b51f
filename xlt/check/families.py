"""The families of checks, one module each, in the order of report.md."""

FAMILIES = {  # module → its heading on the page
    "kaldi": "Directories",
    "audio": "Sound",
    "leaks": "Leakage between sets",
    "alphabet": "Alphabet",
    "ctc": "CTC",
    "speech": "Speech and its text",
    "resources": "Disk and memory",
    "statistics": "Statistics",
}

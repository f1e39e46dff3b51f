"""Distribution xlt-runtime: xlt's own code with the few packages that transcribing exported bundles needs.

    pip install -c tools/constraints.txt ./tools/runtime

It is a distribution of its own because an extra can only add dependencies to those of xlt, which take 6 GB.
An environment holds either this or xlt.
"""

import os
import re
import runpy
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONF = ROOT / "egs" / "common" / "conf"  # what settings are without a recipe
REQUIRES = [
    "charset-normalizer>=3.4",  # encodings of lists of words and of recordings
    "fonttools>=4.50",  # scripts of characters
    "numpy>=2.0",
    "onnxruntime>=1.20",  # runs the networks
    "pyyaml>=6.0",  # settings
    "regex>=2024.5",  # properties of characters
    "soundfile>=0.13",  # wav, flac, ogg, mp3
    "soxr>=0.5",  # resampling
]
EXTRAS = {
    "kenlm": ["ufal.kenlm>=26.4"],  # bundles whose language model is a KenLM binary
    "media": ["av>=14"],  # m4a, webm, amr …: FFmpeg, 130 MB
}

if __name__ == "__main__":
    facts = runpy.run_path(str(ROOT / "setup.py"))
    source = (ROOT / "xlt" / "__init__.py").read_text(encoding="utf-8")
    setup(
        name="xlt-runtime",
        version=re.search(r'__version__ = "(.+?)"', source)[1],
        description="Transcribes bundles that `xlt export onnx` wrote, without torch",
        author="the xlt contributors",
        license_expression="Apache-2.0",
        classifiers=facts["CLASSIFIERS"],
        packages=[*find_packages(str(ROOT), include=["xlt", "xlt.*"]), "xlt.conf"],
        package_dir={"xlt": os.path.relpath(ROOT / "xlt", HERE), "xlt.conf": os.path.relpath(CONF, HERE)},
        package_data={**facts["PACKAGE_DATA"], "xlt.conf": ["*.yaml"]},
        python_requires=">=3.12",
        install_requires=REQUIRES,
        extras_require=EXTRAS,
        entry_points={"console_scripts": ["xlt = xlt.cli:main"]},
    )

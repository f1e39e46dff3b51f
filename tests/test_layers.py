"""Who may import whom: a folder of xlt imports only itself and the folders before it in one list."""

import ast
from pathlib import Path

import pytest

GROUND = "core formats text phones audio fetch speakers nets upstreams metrics".split()
STAGES = "data features tokens lm models train decode check score report lid bundle".split()
ROOF = "export suggest align stream serve library commands cli".split()
ORDER = GROUND + STAGES + ROOF
SPEECH_TOOLKITS = {"espnet2", "s3prl", "espnet", "espnet3"}
MAY_USE_TOOLKITS = ["xlt/models/espnet/", "xlt/nets/encoders/", "xlt/decode/", "xlt/upstreams/"]

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "xlt").rglob("*.py"))


def imports(source: str, module: str, is_package: bool) -> set[str]:
    """Absolute dotted names that ``source``, the text of ``module``, imports anywhere, also inside
    functions.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")[: None if is_package else -1]
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join(parts + ([base] if base else []))
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def breaches(path: str, source: str) -> list[str]:
    """What is wrong with the imports of the file ``path``, e.g. ``xlt/text/normalise.py``."""
    parts = path.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    layer = parts[1] if len(parts) > 1 else ""
    if layer == "__init__":
        allowed = set()
    elif layer in ORDER:
        allowed = set(ORDER[: ORDER.index(layer) + 1])
    else:
        return [f"{path}: {layer} has no place in ORDER of tests/test_layers.py; give it one"]
    found = []
    for name in sorted(imports(source, module, is_package)):
        first, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if first == "xlt" and target not in allowed | {"", "__version__"}:
            found.append(f"{path}: imports {name}, which comes later")
        if first in SPEECH_TOOLKITS and not path.startswith(tuple(MAY_USE_TOOLKITS)):
            found.append(f"{path}: imports {name}; only {', '.join(MAY_USE_TOOLKITS)} may")
    return found


def test_imports_go_down_only():
    assert [
        b for file in FILES for b in breaches(file.relative_to(ROOT).as_posix(), file.read_text("utf-8"))
    ] == []


@pytest.mark.parametrize(
    ("path", "source", "good"),
    [
        ("xlt/text/normalise.py", "from xlt.text.languages import get", True),
        ("xlt/text/normalise.py", "from xlt.text import languages", True),
        ("xlt/data/build.py", "from xlt import train", False),
        ("xlt/data/build.py", "def f():\n    import xlt.models.espnet.fit", False),
        ("xlt/train/fit.py", "from ..data import build", True),
        ("xlt/data/build.py", "from ..train import fit", False),
        ("xlt/data/__init__.py", "from .build import build", True),
        ("xlt/data/__init__.py", "from ..train import fit", False),
        ("xlt/text/languages.py", "from xlt.data.build import build", False),
        ("xlt/metrics/cer.py", "from xlt.score import pairs", False),
        ("xlt/models/espnet/fit.py", "import espnet2.tasks.asr", True),
        ("xlt/upstreams/s3prl.py", "from s3prl.nn import S3PRLUpstream", True),
        ("xlt/features/extract.py", "from s3prl.nn import S3PRLUpstream", False),
        ("xlt/tokens/__init__.py", "from espnet2.text import x", False),
        ("xlt/newthing/a.py", "", False),
    ],
)
def test_breaches_are_seen(path, source, good):
    assert (breaches(path, source) == []) is good


def circles(graph: dict[str, set[str]]) -> set[str]:
    """The modules that reach themselves."""
    found = set()
    for start in graph:
        waiting, seen = list(graph[start]), set()
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += graph.get(module, ())
        if start in seen:
            found.add(start)
    return found


def run_time_imports(source: str) -> set[str]:
    """As :func:`imports`, absolute ones only, without those for type checking."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = [ast.Pass()]
    return imports(ast.unparse(ast.fix_missing_locations(tree)), "xlt", True)


def test_no_module_imports_itself_by_a_detour():
    names = {}
    for file in FILES:
        names[".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = file
    graph = {}
    for name, file in names.items():
        wanted = run_time_imports(file.read_text("utf-8"))
        modules = {full if full in names else full.rpartition(".")[0] for full in wanted}
        graph[name] = (modules & set(names)) - {name, "xlt"}
    assert circles(graph) == set()


def test_circles_are_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {"b", "c"}


def test_only_archives_knows_the_archive_libraries():
    users = [
        f.relative_to(ROOT).as_posix()
        for f in FILES
        if {n.split(".")[0] for n in imports(f.read_text("utf-8"), "xlt.x", False)} & {"omniio", "kaldiio"}
    ]
    assert users == ["xlt/formats/archives.py"]


def test_files_stay_readable():
    lines = {f.relative_to(ROOT).as_posix(): len(f.read_text("utf-8").splitlines()) for f in FILES}
    assert {name: n for name, n in lines.items() if n > 420} == {}

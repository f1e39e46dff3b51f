"""README.md, docs/ and the recipes' pages: links, blocks, settings and commands that they name exist."""

import re
import runpy
import shlex

import pytest
import yaml

from tests.test_readme import PAGES, indented
from xlt.cli import COMMANDS
from xlt.core.config import ROOT, documented_keys, load
from xlt.core.context import STAGES, find

RECIPES = sorted((ROOT / "egs").glob("*/README.md"))
ALL = [
    *PAGES,
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *RECIPES,
    ROOT / "egs/common/experiments/README.md",
]
NAMES = [page.relative_to(ROOT).as_posix() for page in ALL]
START = ("egs/", "tools/")
OPTIONS = {"--stage", "--stop_stage", "--force", "--nj", "--ngpu", "--executor", "--dry_run", "--list"}
FENCES = {"yaml", "tsv", "text", "python", "json"}


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def lacking(page, text: str) -> list[str]:
    """Links of a page that lead nowhere."""
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"<!-- results -->.*<!-- /results -->", "", text)):
        place, _, anchor = target.partition("#")
        if place.startswith(("http://", "https://")):
            continue
        path = page.parent / place if place else page
        headings = (
            re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.M) if path.suffix == ".md" and anchor else []
        )
        if not path.exists() or (anchor and anchor not in map(slug, headings)):
            lost.append(target)
    return lost


@pytest.mark.parametrize("page", ALL, ids=NAMES)
def test_links_lead_somewhere(page):
    assert lacking(page, page.read_text("utf-8")) == []


def test_a_dead_link_would_be_seen():
    text = "[a](nosuch.md) [b](README.md#nosuch) [c](README.md#results) [d](https://example.org/x)"
    assert lacking(ROOT / "README.md", text) == ["nosuch.md", "README.md#nosuch"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_hold_commands_or_say_what_they_hold(page):
    text = page.read_text("utf-8")
    assert [line for line in indented(text) if not line.startswith(START)] == []
    fences = re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.M | re.S)
    assert {kind for kind, _ in fences} <= FENCES
    assert [line for _, body in fences for line in body.splitlines() if line.strip().startswith(START)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_and_commands_in_the_text_exist(page):
    keys = documented_keys()
    sections = {key.split(".")[0] for key in keys if "." in key}
    code = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text("utf-8"))
    named = {hit[1] for words in code if (hit := re.match(r"([a-z]+\.[a-z0-9_]+)(?=$|[=:])", words))}
    assert {key for key in named if key.split(".")[0] in sections} - set(keys) - FILES == set()
    called = {hit[1] for words in code if (hit := re.match(r"xlt ([a-z]\w*)", words))}
    assert called <= {stage.name for stage in STAGES} | set(COMMANDS)


FILES = {
    "bundle.json",
    "tokens.txt",
    "report.json",
    "report.html",
    "score.json",
    "lm.json",
    "data.md",
    "check.md",
}  # look like settings


@pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.parent.name)
def test_commands_of_a_recipes_page_can_be_run(page):
    """Their options and settings exist, and the first one runs the recipe as it is."""
    lines = [re.split(r"\s+#", line)[0] for line in indented(page.read_text("utf-8"))]
    iso = "CODE" if page.parent.name == "TEMPLATE" else page.parent.name
    assert lines[0] == f"egs/{iso}/run.sh"
    for line in lines:
        command, *words = shlex.split(line)
        if command == "tools/xlt":
            assert words[0] in COMMANDS
            continue
        assert command == lines[0]
        assert {word for word in words if word.startswith("--")} <= OPTIONS
        for option, value in zip(words, words[1:], strict=False):
            assert option not in ("--stage", "--stop_stage") or find(value)
        load(page.parent, [word for word in words if "=" in word])


def test_the_first_screen():
    head = (ROOT / "README.md").read_text("utf-8").partition("\n## Results\n")[0]
    assert len(head.splitlines()) <= 60
    assert re.findall(r"^## (.+)$", head, re.M) == ["Use your own recordings", "Try the demo"]


def test_settings_page_is_generated():
    page = runpy.run_path(str(ROOT / "tools/settings_page.py"))["page"]()
    assert (ROOT / "docs/settings.md").read_text("utf-8") == page, (
        "docs/settings.md: differs from base.yaml; run: python tools/settings_page.py > docs/settings.md"
    )
    assert all(f"| `{key}` |" in page for key in documented_keys())


def test_disk_sizes_agree():
    """The README, docs/running.md and the installer give the same figures."""
    install = (ROOT / "tools/install.sh").read_text("utf-8")
    page = (ROOT / "docs/running.md").read_text("utf-8")
    installed, needed = re.search(r"CUDA build \| (\d+) GB \| (\d+) GB", page).groups()
    small, small_needed = re.search(r"`XLT_TORCH_INDEX=URL` \| (\d+) GB \| (\d+) GB", page).groups()
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"{installed} GB of disk for the installation ({needed} GB while it runs)" in readme
    assert f'size="{installed} GB with torch' in install and f"need={needed} " in install
    assert f'size="about {small} GB"' in install and f"|| need={small_needed}\n" in install
    assert f"({small_needed} GB of disk instead of {needed})" in install


def test_the_licence_is_the_same_everywhere():
    settings = (ROOT / "setup.py").read_text("utf-8")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    version = re.search(r'__version__ = "(.+?)"', (ROOT / "xlt/__init__.py").read_text("utf-8"))[1]
    assert (ROOT / "LICENSE").read_text("utf-8").split("\n")[1].strip() == "Apache License"
    assert 'license_expression="Apache-2.0"' in settings and cited["license"] == "Apache-2.0"
    assert cited["version"] == version
    assert (
        cited["authors"] == [{"name": "the xlt contributors"}] and 'author="the xlt contributors"' in settings
    )


def test_every_dependency_has_its_licence():
    settings = runpy.run_path(str(ROOT / "setup.py"))
    wanted = settings["REQUIRES"] + [name for extra in settings["EXTRAS"].values() for name in extra]
    page = (ROOT / "docs/licences.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    listed = {word for row in rows for word in re.findall(r"[a-z][\w-]*", row)}
    assert {re.match(r"[\w-]+", name)[0] for name in wanted} - listed == set()


def test_gpl_code_is_imported_where_the_page_says():
    """phonemizer and espeak-ng: inside the espeak converter, when it is made, and nowhere else."""
    users = {
        (path.relative_to(ROOT).as_posix(), indent)
        for path in (ROOT / "xlt").rglob("*.py")
        for indent in re.findall(
            r"^( *)(?:import|from) (?:phonemizer|espeakng_loader)", path.read_text("utf-8"), re.M
        )
    }
    assert users == {("xlt/phones/engines.py", " " * 8)}


def test_text_becomes_phones_only_where_phones_are_asked_for():
    """The converters are imported by stages 4 and 5 of phone recipes, by xlt phones and xlt suggest --phones,
    inside the functions that make phones.
    """
    users = {
        (path.relative_to(ROOT).as_posix(), indent)
        for path in (ROOT / "xlt").rglob("*.py")
        for indent in re.findall(r"^( *)from xlt\.phones\.g2p import", path.read_text("utf-8"), re.M)
    }
    assert {path for path, _ in users} == {
        "xlt/tokens/phone.py",
        "xlt/lm/pronounce.py",
        "xlt/commands/phones.py",
        "xlt/suggest/ranking.py",
    }
    assert {indent for _, indent in users} == {" " * 4}

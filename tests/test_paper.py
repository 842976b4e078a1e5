"""All figures and tables on a synthetic corpus, from the command line."""

import re

from click.testing import CliRunner

from emotrace.cli import main
from emotrace.experiments import paper


def test_everything_at_once(stitched_root, tmp_path):
    arguments = ["--corpus", "recola", "--root", str(stitched_root), "--systems", "dilated,downup", "--quick"]
    folders = ["--runs", str(tmp_path / "runs"), "--jobs", "1"]
    done = CliRunner().invoke(main, ["reproduce", "all", *arguments, *folders], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    results = tmp_path / "runs" / "quick-results" / "stitched"
    assert {path.stem for path in results.glob("*.json")} == set(paper.TITLES)
    page = (results / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3
    assert "no figure here is a result" in page
    assert not re.search(r"(?:src|href)=.https?:", page)
    assert "<script" not in page

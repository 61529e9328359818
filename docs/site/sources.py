"""A hook of mkdocs: the site has the repository's paths, so that one link holds on GitHub, in an editor and on the site."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SOURCES = ["README.md", "CONTRIBUTING.md", "CITATION.cff", "config/README.md", "results/README.md", "docs/*.md", "docs/*.png", "docs/figures/*"]
SCRIPTS = ["docs/site/*.js"]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Instead of the files of `docs_dir`: those of SOURCES and SCRIPTS by their path in the repository, and the theme's."""
    root = Path(config.config_file_path).parent
    paths = sorted(path.relative_to(root) for pattern in SOURCES + SCRIPTS for path in root.glob(pattern))
    theme = [file for file in files if file.src_dir != config.docs_dir]
    return Files([*theme, *(File(path.as_posix(), str(root), config.site_dir, config.use_directory_urls) for path in paths)])

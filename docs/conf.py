"""The documents as a site: ``sphinx-build -W docs build/site`` (extra ``docs``)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

project = "calreg"
html_title = "calreg"
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "documentation.site"]
exclude_patterns = ["Thumbs.db"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_heading_anchors = 4  # headings are linked as GitHub links them
myst_enable_extensions: list[str] = []

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"At": "At", "AsOf": "AsOf", "Progress": "Progress"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
add_module_names = False
default_role = "py:obj"  # a name in single backticks is a link where it is documented
numpydoc_show_class_members = False  # autodoc lists them

nitpicky = (
    True  # a record or an error that a signature names must be documented; other projects are not asked
)
nitpick_ignore_regex = [("py:class", r"(?!registry\.(records|errors)\.).*"), ("py:obj", ".*")]

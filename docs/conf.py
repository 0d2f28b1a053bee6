"""The documents as a site: ``sphinx-build -W docs build/site`` (extra ``docs``)."""

import inspect
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from registry import errors

project = "calreg"
html_title = "calreg"
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "documentation.site"]
exclude_patterns = ["Thumbs.db"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_heading_anchors = 4  # links to headings are those of the repository's host
myst_enable_extensions: list[str] = []

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"At": "At", "AsOf": "AsOf", "Progress": "Progress"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
add_module_names = False
toc_object_entries_show_parents = "hide"
default_role = "py:obj"  # a name in single backticks is a link if it is documented

numpydoc_show_class_members = False  # autodoc lists them
numpydoc_xref_param_type = True  # the errors under "Raises" are links
numpydoc_xref_aliases = {
    name: f"registry.errors.{name}" for name, member in vars(errors).items() if inspect.isclass(member)
}

# Records and errors that a signature names must be documented; the types of other projects are not looked up.
nitpicky = True
nitpick_ignore_regex = [("py:class", r"(?!registry\.(records|errors)\.).*|.*\._\w+"), ("py:obj", ".*")]

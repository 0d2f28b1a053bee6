"""The program ``calreg``."""

from __future__ import annotations

from registry.cli.application import RegistryGroup, create_group, read_global_options

_NEW_HERE = """\b
New here?
  calreg demo DIR    shows the real commands on sample data
  calreg VERB -h     explains a verb, with an example
"""

app = create_group(cls=RegistryGroup, callback=read_global_options, epilog=_NEW_HERE)

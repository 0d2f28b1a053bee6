"""Geometry files: where the segments of a detector are, in the formats of psana and of CrystFEL.

Facts of the formats, not code, are from lcls-psana/PSCalib (``GeometryObject.py``, ``SegGeometry*.py``), from
slac-lcls/lcls2 (``psana/pscalib/geometry``) and from CrystFEL's manual page crystfel_geometry(5).
"""

from registry.geometry.files import Geometry, read_geometry
from registry.geometry.places import place_panels
from registry.geometry.tiles import Tile

__all__ = ["Geometry", "Tile", "place_panels", "read_geometry"]
